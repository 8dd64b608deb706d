# The portal as one image: `docker build -t corral .`; see compose.yaml for how to run it.
FROM node:24-bookworm-slim AS console
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY vite.config.js ./
COPY static/src static/src
RUN npm run build

FROM python:3.11-slim-bookworm AS packages
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev libldap2-dev libsasl2-dev
COPY requirements.lock requirements-ldap.lock /
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes \
  -r /requirements.lock -r /requirements-ldap.lock

FROM python:3.11-slim-bookworm
RUN apt-get update \
  && apt-get install -y --no-install-recommends libldap-2.5-0 libsasl2-2 tini \
    git openssh-client iproute2 nftables wireguard-go wireguard-tools \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=packages /venv /venv
COPY manage.py ./
COPY portal portal
COPY celery_app celery_app
COPY apps apps
COPY simulated_engine simulated_engine
COPY health_checks health_checks
COPY cli cli
# The system container of hosts without an agent is made of this, and of the four packages for its network.
COPY agent/corral_agent agent/corral_agent
COPY templates templates
COPY static static
COPY --from=console /src/static/dist static/dist
RUN /venv/bin/python -m compileall -q portal celery_app apps simulated_engine health_checks
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data INSTALL_DOCKER=0
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "portal", "serve"]
