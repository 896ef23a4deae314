"""The trigger types that KEDA knows, so that one that is not installed is not called a misspelling."""

# KEDA 2.21, schema/generated/scalers-schema.yaml.
KEDA_TYPES = frozenset(
    """
    activemq apache-kafka arangodb artemis-queue aws-cloudwatch aws-dynamodb aws-dynamodb-streams
    aws-kinesis-stream aws-sqs-queue azure-app-insights azure-blob azure-data-explorer azure-eventhub
    azure-log-analytics azure-monitor azure-pipelines azure-queue azure-servicebus beanstalkd cassandra
    clickhouse couchdb cpu cron datadog dynatrace elastic-forecast elasticsearch etcd external external-push
    forgejo-runner gcp-cloudtasks gcp-pubsub gcp-spanner gcp-stackdriver gcp-storage github-runner graphite
    huawei-cloudeye ibmmq influxdb kafka kubernetes-resource kubernetes-workload liiklus loki memory metrics-api
    mongodb mssql mysql nats-jetstream new-relic nsq opensearch openstack-metric openstack-swift postgresql
    predictkube prometheus pulsar rabbitmq redis redis-cluster redis-cluster-streams redis-sentinel
    redis-sentinel-streams redis-streams selenium-grid solace-direct-messaging solace-event-queue solarwinds
    solr splunk splunk-observability sumologic temporal
    """.split()  # noqa: SIM905 - a list of this length is read as a text
)
