{{/* The name that all of the release's objects begin with; room is left for the longest suffix. */}}
{{- define "ocr.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
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
{{- end -}}

{{/* An image's reference: call with (dict "root" . "image" .Values.image.operator). */}}
{{- define "ocr.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{/* The claim that holds the images, the annotations and the models. */}}
{{- define "ocr.claim" -}}
{{ .Values.storage.existingClaim | default (printf "%s-data" (include "ocr.fullname" .)) }}
{{- end -}}

{{/* What Pod Security "restricted" asks of a pod; 1000 is the images' user. */}}
{{- define "ocr.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
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
