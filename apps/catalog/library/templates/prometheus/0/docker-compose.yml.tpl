version: '2'
services:
  prometheus:
    image: prom/prometheus:v2.55.1
    entrypoint: [/bin/sh, -c]
    command:
      - |
        printf '%s\n' "$$PROMETHEUS_CONFIGURATION" > /tmp/prometheus.yml
        exec /bin/prometheus --config.file=/tmp/prometheus.yml --storage.tsdb.path=/prometheus --storage.tsdb.retention.time=${retention}d
    environment:
      PROMETHEUS_CONFIGURATION: |
        global:
          scrape_interval: ${interval}s
        scrape_configs:
          - job_name: prometheus
            static_configs: [{targets: ['localhost:9090']}]
          - job_name: hosts
            dns_sd_configs: [{names: [host-exporter], type: A, port: 9100}]
{{- if .Values.targets }}
{{ .Values.targets | trim | indent 10 }}
{{- end }}
    links:
      - host-exporter
    volumes:
      - figures:/prometheus
  grafana:
    image: grafana/grafana:11.4.0
    entrypoint: [/bin/sh, -c]
    command:
      - |
        mkdir -p "$$GF_PATHS_PROVISIONING/datasources"
        printf '%s\n' "$$GRAFANA_DATASOURCE" > "$$GF_PATHS_PROVISIONING/datasources/prometheus.yml"
        exec /run.sh
    ports:
      - ${http_port}:3000
    environment:
      GF_PATHS_PROVISIONING: /tmp/provisioning
      GF_SECURITY_ADMIN_PASSWORD: ${admin_password}
      GRAFANA_DATASOURCE: |
        apiVersion: 1
        datasources:
          - {name: Prometheus, type: prometheus, access: proxy, url: 'http://prometheus:9090', isDefault: true}
    links:
      - prometheus
    volumes:
      - dashboards:/var/lib/grafana
  host-exporter:
    image: prom/node-exporter:v1.8.2
    labels:
      io.rancher.scheduler.global: 'true'
volumes:
  figures: {}
  dashboards: {}
