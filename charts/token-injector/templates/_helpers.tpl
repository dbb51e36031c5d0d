{{/* The prefix of every name. 46 characters: a CronJob's name, with -certs, may have 52. */}}
{{- define "token-injector.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "token-injector" .Release.Name -}}
{{- .Release.Name | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-token-injector" (.Release.Name | trunc 31 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* Called with (list . KEY): the name of one object, from .Values.names or the prefix and the suffix of its key. */}}
{{- define "token-injector.named" -}}
{{- $root := index . 0 -}}
{{- $key := index . 1 -}}
{{- $suffixes := dict
  "deployment" "-webhook"
  "service" "-webhook"
  "serviceAccount" "-webhook"
  "servingSecret" "-webhook-certs"
  "caSecret" "-webhook-ca"
  "webhookConfiguration" ""
  "certsServiceAccount" "-certs"
  "certsJob" "-certs"
  "rolePolicy" "-role-policy"
  "broker" "-broker" -}}
{{- if not (hasKey $suffixes $key) -}}{{- fail (printf "the chart has no name %q" $key) -}}{{- end -}}
{{- index ($root.Values.names | default dict) $key | default (printf "%s%s" (include "token-injector.fullname" $root) (get $suffixes $key)) -}}
{{- end -}}

{{/* The Secret that the webhook mounts, in every certs.mode. */}}
{{- define "token-injector.servingSecret" -}}
{{- if eq .Values.certs.mode "existingSecret" -}}
{{- .Values.certs.existingSecret.name -}}
{{- else -}}
{{- include "token-injector.named" (list . "servingSecret") -}}
{{- end -}}
{{- end -}}

{{/* Called with (list . COMPONENT). */}}
{{- define "token-injector.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: token-injector
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Called with (list . COMPONENT). */}}
{{- define "token-injector.labels" -}}
{{- $root := index . 0 -}}
{{ include "token-injector.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end -}}

{{/* Called with (list . COMPONENT): labels of a pod. The version is not among them: what changes them restarts pods. */}}
{{- define "token-injector.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "token-injector.selectorLabels" . }}
{{- with $root.Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Called with (list . IMAGE): a digest wins over a tag, a tag over the chart's appVersion. */}}
{{- define "token-injector.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* What every pod of the release has in its spec: who it runs as, where, and the restricted profile. */}}
{{- define "token-injector.podSpec" -}}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | toYaml }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{/* Called with (list . IMAGE PULL-POLICY): what every container of the release has. */}}
{{- define "token-injector.container" -}}
image: {{ include "token-injector.image" (list (index . 0) (index . 1)) }}
imagePullPolicy: {{ index . 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/*
Called with (list FLAG VALUE): one argument of the webhook, or one for each item of a list. YAML's numbers arrive as
floats, which print as 7e+06; the kubelet expands $(NAME) in arguments, and $$( is how it is told not to.
*/}}
{{- define "token-injector.flag" -}}
{{- $flag := index . 0 -}}
{{- range $value := kindIs "slice" (index . 1) | ternary (index . 1) (list (index . 1)) }}
{{- $text := kindIs "float64" $value | ternary (int64 $value) $value | toString }}
- {{ printf "--%s=%s" $flag (replace "$(" "$$(" $text) | quote }}
{{- end }}
{{- end -}}

{{/* The Services that serve with the certificate. */}}
{{- define "token-injector.certsServices" -}}
- --service={{ include "token-injector.named" (list . "service") }}
{{- if .Values.broker.enabled }}
- --also-service={{ include "token-injector.named" (list . "broker") }}
{{- end }}
- --namespace={{ .Release.Namespace }}
{{- end -}}

{{/* Under which names piggy-env asks the broker, a line for each. */}}
{{- define "token-injector.legacyNames" -}}
{{- with .Values.broker.legacyService }}
{{- if and $.Values.broker.enabled .name }}
- {{ .name }}.{{ .namespace }}
- {{ .name }}.{{ .namespace }}.svc
- {{ .name }}.{{ .namespace }}.svc.cluster.local
{{- end }}
{{- end }}
{{- end -}}

{{/* The names that `certify` and `check` share. */}}
{{- define "token-injector.certsNames" -}}
{{ include "token-injector.certsServices" . }}
- --secret={{ include "token-injector.named" (list . "servingSecret") }}
- --ca-secret={{ include "token-injector.named" (list . "caSecret") }}
- --webhook-configuration={{ include "token-injector.named" (list . "webhookConfiguration") }}
{{- end -}}

{{/* spec of the Job, and of the CronJob's jobs: make, renew or rotate what is needed. */}}
{{- define "token-injector.certsJobSpec" -}}
# A failed run is tried again after 10 s, 20 s, 40 s … and a run that hangs must not block tomorrow's. Each try is a pod of
# its own: with OnFailure the last try's pod is deleted when the Job fails, and with it the log that says why. There is no
# ttlSecondsAfterFinished: GitOps would take a Job that vanished for drift, and make it again for ever.
backoffLimit: 6
activeDeadlineSeconds: 3600
template:
  metadata:
    labels:
      {{- include "token-injector.podLabels" (list . "certs") | nindent 6 }}
    {{- with .Values.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ include "token-injector.named" (list . "certsServiceAccount") }}
    automountServiceAccountToken: true
    {{- include "token-injector.podSpec" . | nindent 4 }}
    containers:
      - name: certs
        {{- include "token-injector.container" (list . .Values.image .Values.image.pullPolicy) | nindent 8 }}
        args:
          - certify
          {{- include "token-injector.certsNames" . | nindent 10 }}
          {{- range include "token-injector.legacyNames" . | fromYamlArray }}
          - --san={{ . }}
          {{- end }}
          {{- range .Values.certs.job.extraArgs }}
          - {{ . | quote }}
          {{- end }}
        resources:
          {{- toYaml .Values.certs.job.resources | nindent 10 }}
{{- end -}}

{{/* The probes of a server of ours. */}}
{{- define "token-injector.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: https
    scheme: HTTPS
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: https
    scheme: HTTPS
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: https
    scheme: HTTPS
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{/* Called with (list . COMPONENT): over nodes, then zones, and never so strictly that a pod does not start. */}}
{{- define "token-injector.spread" -}}
{{- $selected := include "token-injector.selectorLabels" . -}}
{{- range $index, $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
{{- if $index }}
{{ end -}}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- $selected | nindent 6 }}
{{- end }}
{{- end -}}

{{/* Where the webhook and the cert job may connect to. */}}
{{- define "token-injector.egress" -}}
# Neither the API server nor a node's DNS cache is a pod that could be selected.
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}

{{/* What all entries of the webhook configuration have. */}}
{{- define "token-injector.webhookEntry" -}}
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
matchPolicy: Equivalent
failurePolicy: {{ .Values.webhook.failurePolicy }}
timeoutSeconds: {{ include "token-injector.timeoutSeconds" . }}
sideEffects: None
# A webhook after ours may add containers, which need the same; mutating twice is mutating once.
reinvocationPolicy: IfNeeded
{{- end -}}

{{/* The look-up of an image's entrypoint takes webhook.settings.entrypoint-timeout at most; the rest of a review, little. */}}
{{- define "token-injector.timeoutSeconds" -}}
{{- $settings := .Values.webhook.settings | default dict -}}
{{- $looksUp := eq (include "token-injector.looksUp" .) "true" -}}
{{- .Values.webhook.timeoutSeconds | default (ternary (add 5 (index $settings "entrypoint-timeout" | default 5 | int)) 5 $looksUp) -}}
{{- end -}}

{{- define "token-injector.podsCreated" -}}
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE]
  resources: [pods]
  scope: Namespaced
{{- end -}}

{{/* Which namespaces are sent: matchExpressions. */}}
{{- define "token-injector.namespaceExpressions" -}}
{{- with .Values.selectors.managedNamespaces }}
# An expression of its own, in this order: it is the one that GKE Autopilot writes.
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
    {{- toYaml . | nindent 4 }}
{{- end }}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
    {{- prepend (.Values.selectors.excludedNamespaces | default list) .Release.Namespace | uniq | toYaml | nindent 4 }}
{{- with .Values.selectors.namespaceExpressions }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Pods that the first entry does not see. */}}
{{- define "token-injector.withoutLabel" -}}
- key: admission.token-injector/enabled
  operator: DoesNotExist
{{- with .Values.selectors.objectExpressions }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* CEL, in one line: what webhook/secrets/asked.py takes for a question of the pod's. */}}
{{- define "token-injector.asksForSecrets" -}}
{{- $sources := list "aws-secret-name" "aws-ssm-parameter-path" "piggy-address" "standalone" -}}
{{- $all := "object.metadata.annotations" -}}
{{- $ours := "'admission.token-injector/secrets'" -}}
{{- $asks := list (printf "(%s in %s && %s[%s] != 'false')" $ours $all $all $ours) -}}
{{- range $sources -}}
{{- $key := printf "'piggysec.com/%s'" . -}}
{{- $asks = append $asks (printf "(%s in %s && %s[%s] != '')" $key $all $all $key) -}}
{{- end -}}
{{- printf "has(%s) && (%s)" $all (join " || " $asks) -}}
{{- end -}}

{{/*
Called with (list . IS-AWAITED): the container that the webhook would inject for a token of Google's. It leaves this
namespace alone. Awaited, it holds up the pod's start until the token is there.
*/}}
{{- define "token-injector.tokenSidecar" -}}
{{- $root := index . 0 -}}
{{- $settings := $root.Values.webhook.settings | default dict -}}
- name: update-gcp-id-token
  {{- include "token-injector.container" (list $root $root.Values.injector.image (index $settings "pull-policy" | default "IfNotPresent")) | nindent 2 }}
  restartPolicy: Always
  command:
    - /token-injector
    - --file=/var/run/secrets/aws/token/token
    - --refresh=true
    {{- with index $settings "audience" }}
    {{- include "token-injector.flag" (list "audience" .) | trim | nindent 4 }}
    {{- end }}
  {{- with include "token-injector.injectedEnv" $root | trim }}
  env:
    {{- . | nindent 4 }}
  {{- end }}
  {{- if index . 1 }}
  lifecycle:
    postStart:
      exec:
        command: [/token-injector, await, /var/run/secrets/aws/token/token, --timeout=120]
  {{- end }}
  resources:
    requests:
      cpu: 5m
      memory: 16Mi
    limits:
      memory: 64Mi
  volumeMounts:
    - name: web-identity
      mountPath: /var/run/secrets/aws/token
{{- end -}}

{{/* The environment of an injected container, as webhook/settings.py puts it together. */}}
{{- define "token-injector.injectedEnv" -}}
{{- $settings := .Values.webhook.settings | default dict -}}
{{- $given := dict -}}
{{- range index $settings "injector-env" | default list -}}
{{- $entry := splitn "=" 2 . -}}
{{- $_ := set $given $entry._0 $entry._1 -}}
{{- end -}}
{{- range .Values.webhook.extraEnv -}}
{{- if and (eq .name "GCE_METADATA_HOST") (not (hasKey $given .name)) }}
{{ list . | toYaml }}
{{- end -}}
{{- end -}}
{{- range $name, $value := $given }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end -}}
{{- end -}}

{{/* Called with (list . ROLE): the volume of a web identity token, for a role of our own: {arn, mode}. */}}
{{- define "token-injector.tokenVolume" -}}
{{- $settings := (index . 0).Values.webhook.settings | default dict -}}
- name: web-identity
  {{- if eq (index . 1).mode "google" }}
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
  {{- else }}
  projected:
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ index $settings "cluster-audience" | default "sts.amazonaws.com" | quote }}
          expirationSeconds: 3600
  {{- end }}
{{- end -}}

{{/* GKE's metadata server: https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity */}}
{{- define "token-injector.metadataEgress" -}}
- ports:
    - port: 80
      protocol: TCP
    - port: 988
      protocol: TCP
  to:
    - ipBlock:
        cidr: 169.254.169.252/32
    - ipBlock:
        cidr: 169.254.169.254/32
{{- end -}}

{{/* "true" where the webhook asks registries what an image starts. */}}
{{- define "token-injector.looksUp" -}}
{{- $settings := .Values.webhook.settings | default dict -}}
{{- not (and (hasKey $settings "entrypoint-lookup") (eq (toString (index $settings "entrypoint-lookup")) "false")) -}}
{{- end -}}

{{/* "true" where the webhook may need GKE's metadata server to look an image up: its sidecar, for the role of ECR; itself,
for a registry of Google's that is named (webhook/entrypoint/google.py), or, where none is, as a Google service account. */}}
{{- define "token-injector.asksMetadata" -}}
{{- $settings := .Values.webhook.settings | default dict -}}
{{- $allowed := index $settings "registry-allow" | default list -}}
{{- $account := hasKey (.Values.webhook.serviceAccount.annotations | default dict) "iam.gke.io/gcp-service-account" -}}
{{- $asks := or (and $account (not $allowed)) (and .Values.registries.ecrRole.arn (eq .Values.registries.ecrRole.mode "google")) -}}
{{- $hosts := $allowed -}}
{{- range index $settings "registry-mirror" | default list -}}
{{- $hosts = append $hosts (regexReplaceAll "^[^=]*=|/.*$" . "") -}}
{{- end -}}
{{- range $hosts -}}
{{- if regexMatch "(?i)(^|[.])(pkg|gcr|[^.]*[*][^.]*)[.](dev|io|[^.]*[*][^.]*)$" . -}}
{{- $asks = true -}}
{{- end -}}
{{- end -}}
{{- not (not $asks) -}}
{{- end -}}
