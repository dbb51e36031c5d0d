{{/*
Called with (list . RUNNING): what every entry of the MutatingWebhookConfiguration has beside its name and its selectors.
RUNNING: whether ephemeral containers of running pods are looked at, which get variables and the token, never secrets.
*/}}
{{- define "token-injector.webhook" -}}
{{- $running := index . 1 -}}
{{- with index . 0 -}}
admissionReviewVersions: [v1]
clientConfig:
  {{- if eq .Values.certs.mode "existingSecret" }}
  caBundle: {{ .Values.certs.existingSecret.caBundle | b64enc }}
  {{- else if eq .Values.certs.mode "certManager" }}
  # cert-manager writes caBundle. It is not here, not even empty: who applies a field owns it.
  {{- else }}
  # The cert job writes caBundle. It is not here, not even empty: who applies a field owns it.
  {{- end }}
  service:
    name: {{ include "token-injector.named" (list . "service") }}
    namespace: {{ .Release.Namespace | toYaml }}
    path: /pods
    port: 443
rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE]
    resources: [pods]
    scope: Namespaced
  {{- if $running }}
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [UPDATE]
    resources: [pods/ephemeralcontainers]
    scope: Namespaced
  {{- end }}
matchPolicy: Equivalent
failurePolicy: {{ .Values.webhook.failurePolicy }}
timeoutSeconds: {{ include "token-injector.timeoutSeconds" . }}
sideEffects: None
# A webhook after ours may add containers, which need the variables too; mutating twice is mutating once.
reinvocationPolicy: IfNeeded
{{- end -}}
{{- end -}}

{{/* Longer than a registry may take to say what an image starts; without that look-up nothing outside is waited for. */}}
{{- define "token-injector.timeoutSeconds" -}}
{{- $settings := .Values.webhook.settings | default dict -}}
{{- $looksUp := and .Values.secrets.enabled (ne (index $settings "entrypoint-lookup" | toString) "false") -}}
{{- if ne (.Values.webhook.timeoutSeconds | toString) "auto" -}}
{{- .Values.webhook.timeoutSeconds | int -}}
{{- else if $looksUp -}}
{{- min 30 (add 5 (index $settings "entrypoint-timeout" | default 5 | int)) -}}
{{- else -}}
5
{{- end -}}
{{- end -}}

{{/* Pods that the first entry does not see. */}}
{{- define "token-injector.unlabelled" -}}
objectSelector:
  matchExpressions:
    - key: admission.token-injector/enabled
      operator: DoesNotExist
    {{- with .Values.selectors.objectExpressions }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* CEL: does the pod itself name a source of secrets? */}}
{{- define "token-injector.asksForSecrets" -}}
has(object.metadata.annotations) && object.metadata.annotations.exists(key, key in [
'admission.token-injector/secrets', 'piggysec.com/aws-secret-name', 'piggysec.com/aws-ssm-parameter-path',
'piggysec.com/piggy-address', 'piggysec.com/standalone'])
{{- end -}}

{{/* In whose namespaces the webhook is asked. */}}
{{- define "token-injector.namespaces" -}}
matchExpressions:
  {{- with .Values.selectors.managedNamespaces }}
  # An expression of its own, in this order: it is the one that GKE Autopilot writes.
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values:
      {{- toYaml . | nindent 6 }}
  {{- end }}
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values:
      {{- prepend (.Values.selectors.excludedNamespaces | default list) .Release.Namespace | uniq | toYaml | nindent 6 }}
  {{- with .Values.selectors.namespaceExpressions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
