version: '2'
services:
  traefik:
    image: traefik:v3.2.3
    entrypoint: [/bin/sh, -c]
    command:
      - |
        mkdir -p /etc/traefik/dynamic
        printf '%s\n' "$$TRAEFIK_ROUTES" > /etc/traefik/dynamic/routes.yml
        printf '%s\n' "$$TRAEFIK_MORE" > /etc/traefik/dynamic/more.yml
        exec traefik --entryPoints.web.address=:80 --entryPoints.traefik.address=:8080 --ping=true --api.insecure=true --log.level=${log_level} --providers.file.directory=/etc/traefik/dynamic
    ports:
      - ${http_port}:80
{{- if eq .Values.dashboard "true" }}
      - ${dashboard_port}:8080
{{- end }}
    environment:
      TRAEFIK_MORE: {{ .Values.more | quote }}
{{- if .Values.target }}
      TRAEFIK_ROUTES: |
        http:
          routers:
            first: {rule: 'Host(`${name}`)', entryPoints: [web], service: first}
          services:
            first: {loadBalancer: {servers: [{url: 'http://target:${target_port}'}]}}
    external_links:
      - ${target}:target
{{- else }}
      TRAEFIK_ROUTES: ''
{{- end }}
