"""Values of the chart that each check of it goes through: those that must do, those that must be refused."""

API_VERSIONS = [
    "gateway.networking.k8s.io/v1/HTTPRoute",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
]
"""What a cluster serves that has the Gateway API and the Prometheus operator."""

APART = "api.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]"
GOOD = {
    "defaults": [],
    "a folder of the node": ["storage.hostPath=/srv/ocr", "storage.accessModes={ReadWriteOnce}"],
    "a folder of one node": ["storage.hostPath=/srv/ocr", "storage.hostNode=node-7", "storage.keep=false"],
    "a claim that exists": ["storage.existingClaim=team-data"],
    "a claim of one node": ["storage.existingClaim=team-data", "storage.accessModes={ReadWriteOnce}"],
    "a storage class": ["storage.storageClassName=nfs", "storage.size=2Ti"],
    "images from elsewhere": [
        "image.operator.repository=registry.example/ocr/operator",
        "image.trainer.tag=v2",
        "imagePullSecrets[0].name=pull",
    ],
    "images of a mirror by digest": [
        "image.registry=mirror.example:5000/ocr",
        f"image.operator.digest=sha256:{'a' * 64}",
        f"image.api.digest=sha256:{'b' * 64}",
        f"image.trainer.digest=sha256:{'c' * 64}",
    ],
    "a name and labels of one's own": [
        "fullnameOverride=reader",
        "commonLabels.team=ocr",
        "commonAnnotations.example\\.com/owner=Ada Lovelace",
    ],
    "a cluster that chooses users": ["runAsUser=null"],
    "several operators": [
        "operator.replicas=2",
        "operator.podDisruptionBudget.maxUnavailable=50%",
        "operator.priorityClassName=system-cluster-critical",
        "operator.topologySpreadConstraints[0].maxSkew=1",
        "operator.topologySpreadConstraints[0].topologyKey=topology.kubernetes.io/zone",
        "operator.topologySpreadConstraints[0].whenUnsatisfiable=ScheduleAnyway",
    ],
    "several facades": ["api.replicas=3", "api.service.port=8080", "logFormat=json"],
    "as many facades as needed": ["api.autoscaling.enabled=true", "api.autoscaling.maxReplicas=9"],
    "pods in their place": [
        "api.nodeSelector.pool=web",
        "api.tolerations[0].key=web",
        "api.tolerations[0].operator=Exists",
        f"{APART}.weight=1",
        f"{APART}.podAffinityTerm.topologyKey=topology.kubernetes.io/zone",
        f"{APART}.podAffinityTerm.labelSelector.matchLabels.tier=web",
        "api.podLabels.tier=web",
        "api.podAnnotations.seen=yes",
        "api.env[0].name=HTTPS_PROXY",
        "api.env[0].value=http://proxy:3128",
        "api.serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn=arn:aws:iam::1:role/ocr",
        "operator.nodeSelector.pool=system",
    ],
    "callers with a token": [
        "api.token.secretName=callers",
        "api.token.legacyWithout=true",
        "api.corsOrigins={https://annotate.example,http://localhost:8080}",
        "api.maxUploadBytes=1000000",
    ],
    "an ingress": [
        "api.ingress.enabled=true",
        "api.ingress.className=nginx",
        "api.ingress.hosts={ocr.example,*.ocr.example}",
        "api.ingress.tlsSecretName=ocr-tls",
        "api.ingress.annotations.nginx\\.ingress\\.kubernetes\\.io/proxy-body-size=20g",
    ],
    "a gateway": [
        "api.httpRoute.enabled=true",
        "api.httpRoute.parentRefs[0].name=public",
        "api.httpRoute.parentRefs[0].namespace=gateways",
        "api.httpRoute.hostnames={ocr.example}",
    ],
    "a load balancer": [
        "api.service.type=LoadBalancer",
        "api.service.annotations.example\\.com/internal=yes",
    ],
    "told elsewhere": [
        "statusReport.url=https://platform.example/told?a=b",
        "statusReport.secretName=told",
        "cloudEvents.url=http://broker-ingress.knative.svc.cluster.local/ns/default",
    ],
    "a narrow network": [
        "networkPolicy.apiServer.cidrs={10.0.0.1/32,fd00::1/128}",
        "networkPolicy.apiServer.ports={8443}",
        "networkPolicy.apiFrom[0].namespaceSelector.matchLabels.name=annotate",
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring",
        "networkPolicy.operatorEgress[0].ports[0].port=3128",
    ],
    "no network policies": ["networkPolicy.enabled=false"],
    "watched by Prometheus and Grafana": [
        "monitoring.serviceMonitor.enabled=true",
        "monitoring.serviceMonitor.labels.release=kube-prometheus-stack",
        "monitoring.podMonitor.enabled=true",
        "monitoring.podMonitor.interval=1m",
        "monitoring.rules.enabled=true",
        "monitoring.dashboard.enabled=true",
        "monitoring.dashboard.labels.team=ocr",
    ],
    "other accelerators": [
        "gpu.resourceName=amd.com/gpu",
        "gpu.nodeSelector.gpu=mi300",
        "gpu.tolerations[0].key=amd.com/gpu",
        "gpu.tolerations[0].operator=Exists",
        "gpu.runtimeClassName=rocm",
        "crds.install=false",
    ],
    "stages of one's own": [
        "trainer.resources.gpus=0",
        "trainer.resources.cpu=500m",
        "trainer.resources.memory=2Gi",
        "trainer.limitCPU=true",
        "trainer.scheduling.queueName=ocr",
        "trainer.scheduling.priorityClassName=low",
        "trainer.podLabels.team=ocr",
        "trainer.env[0].name=NO_ALBUMENTATIONS_UPDATE",
        "trainer.env[0].value=1",
    ],
}
"""By what an administrator wants."""

BAD = [
    "runAsUser=root",
    "storage.hostpath=/srv/ocr",
    "storage.hostPath=srv/ocr",
    "storage.size=plenty",
    "storage.size=0",
    "storage.accessModes={ReadOnlyMany}",
    "storage.accessModes={ReadWriteOncePod}",
    "storage.accessModes={}",
    "storage.keep=perhaps",
    "image.operator.pullPolicy=Sometimes",
    "image.operator.tag=a b",
    "image.operator.repository=",
    "image.operator.digest=sha256:abc",
    "image.registry=/mirror",
    "image.worker.tag=1",
    "imagePullSecrets[0]=pull",
    "commonLabels.team=two words",
    "commonLabels.app\\.kubernetes\\.io/name=other",
    "fullnameOverride=With Capitals",
    "gpu.resourceName=gpu",
    "gpu.tolerations[0].effect=Never",
    "trainer.resources.gpus=-1",
    "trainer.resources.memory=16 GB",
    "trainer.resources.gpu=1",
    "trainer.podLabels.ocrproject\\.dev/volume=mine",
    "trainer.env[0].name=OCR_STAGE_INPUT",
    "logFormat=xml",
    "statusReport.url=platform.example/told",
    "statusReport.url=https://user:word@platform.example/",
    "statusReport.secretName=No Name",
    "statusReport.secret=whsec_AAAA",
    "cloudEvents.url=amqp://broker",
    "api.replicas=-1",
    "api.replicas=many",
    "api.autoscaling.maxReplicas=0",
    "api.token.value=secret-secret-secret",
    "api.token.secretName=No Name",
    "api.token.legacyWithout=perhaps",
    "api.corsOrigins={annotate.example}",
    "api.maxUploadBytes=0",
    "api.service.port=0",
    "api.service.type=ExternalName",
    "api.ingress.hosts={https://ocr.example}",
    "api.resources.limit.memory=1Gi",
    "api.podDisruptionBudget.maxUnavailable=0",
    "api.affinity.podsAffinity.x=1",
    "api.topologySpreadConstraints[0].maxSkew=1",
    "networkPolicy.apiServer.cidrs={10.0.0.1}",
    "networkPolicy.apiFrom[0].podSelectors=x",
    "monitoring.enabled=true",
    "monitoring.podMonitor.interval=often",
    "operator.resources.limits.memory=lots",
    "operator.replicas=-1",
    "operator.replicas=two",
    "crds.install=maybe",
    "replicas=2",
]
"""Each is refused by the schema, which names the value."""

REFUSED = {
    "storage.existingClaim and storage.hostPath exclude each other": [
        "storage.hostPath=/srv",
        "storage.existingClaim=data",
    ],
    "storage.hostNode says which node has storage.hostPath, which is not set": ["storage.hostNode=node-7"],
    "statusReport.secretName is not set: status reports are signed": [
        "statusReport.url=https://platform.example"
    ],
    "api.ingress.hosts is empty": ["api.ingress.enabled=true"],
    "api.httpRoute.parentRefs is empty": ["api.httpRoute.enabled=true"],
    "api.autoscaling.minReplicas is 7, which is more than maxReplicas, 5": [
        "api.autoscaling.enabled=true",
        "api.autoscaling.minReplicas=7",
    ],
}
"""What each value may be, but not together: the sentence that says so."""


def settings(values: list[str]) -> list[str]:
    """helm's arguments that set them."""
    text = ("annotations.", "Annotations.", "env[", "tag=", "commonLabels.")
    return [
        part
        for value in values
        for part in ("--set-string" if any(kind in value for kind in text) else "--set", value)
    ]


def with_api_versions() -> list[str]:
    """helm's arguments for rendering as on a cluster with what others install."""
    return [part for version in API_VERSIONS for part in ("--api-versions", version)]
