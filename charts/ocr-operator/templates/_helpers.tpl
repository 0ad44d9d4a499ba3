{{/* The name that all of the release's objects begin with; room is left for the longest suffix. */}}
{{- define "ocr.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: call with (dict "root" . "component" "operator"). */}}
{{- define "ocr.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels of an object. */}}
{{- define "ocr.labels" -}}
{{ include "ocr.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An object's metadata: call with (dict "root" . "component" "api" "name" $name), and "annotations" of its own; "clusterWide"
     true leaves the namespace out. The namespace stands in each object, so that plain manifests know it, too. */}}
{{- define "ocr.metadata" -}}
name: {{ .name }}
{{- if not .clusterWide }}
namespace: {{ .root.Release.Namespace }}
{{- end }}
labels: {{- include "ocr.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A pod template's metadata: call with (dict "root" . "component" "api" "labels" .. "annotations" ..), the pods' own. */}}
{{- define "ocr.podMetadata" -}}
labels: {{- include "ocr.labels" (omit . "labels") | nindent 2 }}
{{- with .labels }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image's reference: call with (dict "root" . "image" .Values.image.operator). */}}
{{- define "ocr.image" -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end -}}

{{/* The claim that holds the images, the annotations and the models. */}}
{{- define "ocr.claim" -}}
{{ .Values.storage.existingClaim | default (printf "%s-data" (include "ocr.fullname" .)) }}
{{- end -}}

{{/* "yes" where the volume can be mounted on one node at a time only. */}}
{{- define "ocr.oneNode" -}}
{{- if not (has "ReadWriteMany" .Values.storage.accessModes) -}}
yes
{{- end -}}
{{- end -}}

{{/* The label by which pods that mount the volume find each other's node. */}}
{{- define "ocr.volumeLabel" -}}
ocrproject.dev/volume: {{ include "ocr.fullname" . }}
{{- end -}}

{{/* The affinity of a pod that mounts the volume: call with (dict "root" . "affinity" .Values.api.affinity). Where the volume is
     one node's, the first pod may go anywhere (the scheduler lets a pod pass that matches its own term), the others follow. */}}
{{- define "ocr.volumeAffinity" -}}
{{- $affinity := deepCopy .affinity -}}
{{- if include "ocr.oneNode" .root -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (include "ocr.volumeLabel" .root | fromYaml)) -}}
{{- $together := $affinity.podAffinity | default dict -}}
{{- $required := append ($together.requiredDuringSchedulingIgnoredDuringExecution | default list) $term -}}
{{- $_ := set $affinity "podAffinity" (merge (dict "requiredDuringSchedulingIgnoredDuringExecution" $required) $together) -}}
{{- end -}}
{{- toYaml $affinity -}}
{{- end -}}

{{/* Where a Deployment's pods go: call with (dict "root" . "component" "api" "pods" .Values.api), and "affinity" where it is another
     than theirs. Spread constraints without a selector mean the component's own pods. */}}
{{- define "ocr.placement" -}}
{{- with .pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .pods.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pods.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity | default .pods.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pods.topologySpreadConstraints }}
topologySpreadConstraints:
{{- $own := dict "labelSelector" (dict "matchLabels" (include "ocr.selector" $ | fromYaml)) }}
{{- range . }}
  - {{- toYaml (hasKey . "labelSelector" | ternary . (merge (dict) . $own)) | nindent 4 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the operator gives every stage's pod, beside what its project asks for: the document of OCR_STAGE_PODS. */}}
{{- define "ocr.stagePods" -}}
resources: {{- toYaml .Values.trainer.resources | nindent 2 }}
limitCPU: {{ .Values.trainer.limitCPU }}
runAsUser: {{ toJson .Values.runAsUser }}
scheduling: {{- toYaml .Values.trainer.scheduling | nindent 2 }}
gpu: {{- toYaml (omit .Values.gpu "resourceName") | nindent 2 }}
labels: {{- toYaml (merge (dict "app.kubernetes.io/instance" .Release.Name) (include "ocr.volumeLabel" . | fromYaml) .Values.trainer.podLabels .Values.commonLabels) | nindent 2 }}
annotations: {{- toYaml (merge (dict) .Values.trainer.podAnnotations .Values.commonAnnotations) | nindent 2 }}
affinity: {{- include "ocr.volumeAffinity" (dict "root" . "affinity" .Values.trainer.affinity) | nindent 2 }}
env: {{- toYaml .Values.trainer.env | nindent 2 }}
{{- end -}}

{{/* What Pod Security "restricted" asks of a pod. */}}
{{- define "ocr.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ . }}
runAsGroup: {{ . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* And of a container. */}}
{{- define "ocr.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* A component's ServiceAccount, bound to the Role of the same name: call with (dict "root" . "component" "api" "name" $name
     "annotations" <the account's>). */}}
{{- define "ocr.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata: {{- include "ocr.metadata" . | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{- include "ocr.metadata" (omit . "annotations") | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .name }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{/* "yes" unless the OcrProject resource in the cluster belongs to somebody else; nothing is known when rendering
     without a cluster. */}}
{{- define "ocr.ownsResource" -}}
{{- $there := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "ocrprojects.ocrproject.dev" -}}
{{- if not $there -}}
yes
{{- else -}}
{{- $annotations := $there.metadata.annotations | default dict -}}
{{- $name := get $annotations "meta.helm.sh/release-name" -}}
{{- $namespace := get $annotations "meta.helm.sh/release-namespace" -}}
{{- if and (eq $name .Release.Name) (eq $namespace .Release.Namespace) -}}
yes
{{- end -}}
{{- end -}}
{{- end -}}
