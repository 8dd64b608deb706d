version: '2'
services:
  redis:
    image: redis:7.4.1-alpine
    entrypoint: [/bin/sh, -c]
    command:
      - exec redis-server --requirepass "$$REDIS_PASSWORD" --maxmemory ${memory}mb
{{- if eq .Values.purpose "cache" }} --save "" --maxmemory-policy allkeys-lru
{{- else }} --appendonly yes --maxmemory-policy noeviction
{{- end }}
    ports:
      - ${port}:6379
    environment:
      REDIS_PASSWORD: ${password}
    volumes:
      - data:/data
volumes:
  data: {}
