{{- define "configuration" }}
      CORE-SITE.XML_fs.defaultFS: hdfs://namenode:8020
      HDFS-SITE.XML_dfs.replication: ${replication}
      HDFS-SITE.XML_dfs.namenode.rpc-bind-host: 0.0.0.0
      HDFS-SITE.XML_dfs.namenode.name.dir: file:///data/name
      HDFS-SITE.XML_dfs.datanode.data.dir: file:///data/blocks
      HDFS-SITE.XML_dfs.namenode.datanode.registration.ip-hostname-check: 'false'
      HDFS-SITE.XML_dfs.namenode.secondary.http-address: secondary:9868
      MAPRED-SITE.XML_mapreduce.framework.name: yarn
      MAPRED-SITE.XML_mapreduce.jobhistory.address: history:10020
      MAPRED-SITE.XML_mapreduce.jobhistory.webapp.address: history:19888
      MAPRED-SITE.XML_yarn.app.mapreduce.am.env: HADOOP_MAPRED_HOME=/opt/hadoop
      MAPRED-SITE.XML_mapreduce.map.env: HADOOP_MAPRED_HOME=/opt/hadoop
      MAPRED-SITE.XML_mapreduce.reduce.env: HADOOP_MAPRED_HOME=/opt/hadoop
      YARN-SITE.XML_yarn.resourcemanager.hostname: resourcemanager
      YARN-SITE.XML_yarn.nodemanager.aux-services: mapreduce_shuffle
      YARN-SITE.XML_yarn.nodemanager.resource.memory-mb: ${worker_memory}
      YARN-SITE.XML_yarn.nodemanager.vmem-check-enabled: 'false'
      YARN-SITE.XML_yarn.timeline-service.enabled: 'true'
      YARN-SITE.XML_yarn.timeline-service.hostname: timeline
      YARN-SITE.XML_yarn.timeline-service.bind-host: 0.0.0.0
{{- end -}}
version: '2'
services:
  namenode:
    image: apache/hadoop:3.4.1
    user: root
    command: [hdfs, namenode]
    ports:
      - ${namenode_port}:9870
    environment:
      ENSURE_NAMENODE_DIR: /data/name
{{- template "configuration" . }}
    volumes:
      - names:/data
  secondary:
    image: apache/hadoop:3.4.1
    user: root
    command: [hdfs, secondarynamenode]
    environment:
{{- template "configuration" . }}
    links:
      - namenode
  worker:
    image: apache/hadoop:3.4.1
    user: root
    command: [hdfs, datanode]
    environment:
{{- template "configuration" . }}
    labels:
      io.rancher.sidekicks: nodemanager
      io.rancher.scheduler.affinity:container_label_soft_ne: io.rancher.stack_service.name=$${stack_name}/$${service_name}
    links:
      - namenode
      - resourcemanager
    volumes:
      - /data
  nodemanager:
    image: apache/hadoop:3.4.1
    user: root
    command: [yarn, nodemanager]
    network_mode: container:worker
    environment:
{{- template "configuration" . }}
  resourcemanager:
    image: apache/hadoop:3.4.1
    user: root
    command: [yarn, resourcemanager]
    ports:
      - ${yarn_port}:8088
    environment:
{{- template "configuration" . }}
    links:
      - namenode
  history:
    image: apache/hadoop:3.4.1
    user: root
    command: [mapred, historyserver]
    environment:
{{- template "configuration" . }}
    links:
      - namenode
  timeline:
    image: apache/hadoop:3.4.1
    user: root
    command: [yarn, timelineserver]
    environment:
{{- template "configuration" . }}
    links:
      - resourcemanager
volumes:
  names: {}
