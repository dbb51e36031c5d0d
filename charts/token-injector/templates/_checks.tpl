{{/* What a schema cannot say: values that are right alone and wrong together. Each refusal names the keys and the fix. */}}
{{- define "token-injector.checks" -}}
{{- if eq (int .Values.webhook.port) (int .Values.webhook.telemetryPort) -}}
{{- fail (printf "webhook.port and webhook.telemetryPort are both %v: a container cannot listen twice on one port" .Values.webhook.port) -}}
{{- end -}}
{{- if and .Values.broker.enabled (eq (int .Values.broker.port) (int .Values.broker.telemetryPort)) -}}
{{- fail (printf "broker.port and broker.telemetryPort are both %v: a container cannot listen twice on one port" .Values.broker.port) -}}
{{- end -}}
{{- $shared := .Values.broker.sharedRole -}}
{{- if and $shared.arn (not $shared.grants) -}}
{{- fail "broker.sharedRole.arn is set, and broker.sharedRole.grants is empty: the role would read nothing; add a grant, or leave it out" -}}
{{- end -}}
{{- if and $shared.grants (not $shared.arn) -}}
{{- fail "broker.sharedRole.grants is set, and broker.sharedRole.arn is empty: name the role that reads what is granted, or leave it out" -}}
{{- end -}}
{{- if and .Values.broker.enabled $shared.arn (eq $shared.mode "google") (semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail "broker.sharedRole.mode is google, which needs native sidecars (Kubernetes 1.29 or newer): say cluster" -}}
{{- end -}}
{{- include "token-injector.registryChecks" . -}}
{{- include "token-injector.settingsChecks" . -}}
{{- $brokerSettings := .Values.broker.settings | default dict -}}
{{- range list "legacy-piggy" "enforce-service-account" -}}
{{- if and (index $brokerSettings .) (not $shared.arn) -}}
{{- fail (printf "broker.settings.%s is about the shared role: set broker.sharedRole.arn and its grants, or leave it out" .) -}}
{{- end -}}
{{- end -}}
{{- with .Values.broker.legacyService -}}
{{- if ne (empty .name) (empty .namespace) -}}
{{- fail "broker.legacyService.name and broker.legacyService.namespace belong together: say where piggy's Service was, or leave both out" -}}
{{- end -}}
{{- if and .name (not (index $brokerSettings "legacy-piggy")) -}}
{{- fail "broker.legacyService.name is set, and broker.settings.legacy-piggy is not: piggy-env would be answered 404; set it, or leave the name out" -}}
{{- end -}}
{{- end -}}
{{- $granted := dict -}}
{{- range $index, $grant := $shared.grants -}}
{{- if hasKey $granted $grant.name -}}
{{- fail (printf "broker.sharedRole.grants[%d].name: %q is already the name of grants[%d]: choose another" $index $grant.name (get $granted $grant.name)) -}}
{{- end -}}
{{- $_ := set $granted $grant.name $index -}}
{{- end -}}
{{- $mode := .Values.certs.mode -}}
{{- range $key, $value := .Values.certs.existingSecret -}}
{{- if and $value (ne $mode "existingSecret") -}}
{{- fail (printf "certs.existingSecret.%s is set, and certs.mode is %s, which does not use it: set certs.mode to existingSecret, or leave it out" $key $mode) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.certs.certManager.issuerRef (ne $mode "certManager") -}}
{{- fail (printf "certs.certManager.issuerRef is set, and certs.mode is %s, which does not use it: set certs.mode to certManager, or leave it out" $mode) -}}
{{- end -}}
{{- $places := dict -}}
{{- range $index, $rule := (.Values.rolePolicy | default dict).rules -}}
{{- if hasKey $places $rule.name -}}
{{- fail (printf "rolePolicy.rules[%d].name: %q is already the name of rules[%d]: choose another" $index $rule.name (get $places $rule.name)) -}}
{{- end -}}
{{- $_ := set $places $rule.name $index -}}
{{- end -}}
{{- end -}}

{{/* What the look-up of images needs. */}}
{{- define "token-injector.registryChecks" -}}
{{- $settings := .Values.webhook.settings | default dict -}}
{{- $registries := .Values.registries -}}
{{- $seconds := index $settings "entrypoint-timeout" | default 5 | int -}}
{{- if eq (include "token-injector.looksUp" .) "true" -}}
{{- if le (include "token-injector.timeoutSeconds" . | int) $seconds -}}
{{- fail (printf "webhook.timeoutSeconds is %v, and webhook.settings.entrypoint-timeout %v: the API server would give up before the look-up of an image ends; say more, or 0" .Values.webhook.timeoutSeconds $seconds) -}}
{{- end -}}
{{- else -}}
{{- range $key, $value := dict "pullSecret" $registries.pullSecret "ca" $registries.ca "podPullSecrets" $registries.podPullSecrets "ecrRole.arn" $registries.ecrRole.arn -}}
{{- if $value -}}
{{- fail (printf "registries.%s is set, and webhook.settings.entrypoint-lookup is false: no registry is asked; leave one of them out" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $registries.ecrRole.arn (eq $registries.ecrRole.mode "google") (semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail "registries.ecrRole.mode is google, which needs native sidecars (Kubernetes 1.29 or newer): say cluster" -}}
{{- end -}}
{{- $granted := dict -}}
{{- range $index, $grant := $registries.podPullSecrets -}}
{{- if hasKey $granted $grant.namespace -}}
{{- fail (printf "registries.podPullSecrets[%d].namespace: %q is already in podPullSecrets[%d]: name all its Secrets there" $index $grant.namespace (get $granted $grant.namespace)) -}}
{{- end -}}
{{- if and (eq $grant.namespace $.Release.Namespace) (not $grant.names) -}}
{{- fail (printf "registries.podPullSecrets[%d]: without names the webhook could read the cert job's keys, which are in namespace %s too: name its pull secrets" $index $grant.namespace) -}}
{{- end -}}
{{- $_ := set $granted $grant.namespace $index -}}
{{- end -}}
{{- end -}}

{{/* What webhook/settings.py refuses at the webhook's start. The defaults are those of webhook/flags.py. */}}
{{- define "token-injector.settingsChecks" -}}
{{- $settings := .Values.webhook.settings | default dict -}}
{{- if and (contains "{cluster}" (index $settings "session-name" | default "")) (not (index $settings "cluster-name")) -}}
{{- fail "webhook.settings.session-name uses {cluster}: say the cluster's name in webhook.settings.cluster-name" -}}
{{- end -}}
{{- range $resource, $default := dict "cpu" (list "5m" "none") "memory" (list "16Mi" "64Mi") -}}
{{- $request := index $settings (printf "injector-%s-request" $resource) | default (index $default 0) -}}
{{- $limitKey := printf "injector-%s-limit" $resource -}}
{{- $limit := hasKey $settings $limitKey | ternary (index $settings $limitKey) (index $default 1) -}}
{{- if and $limit (ne $limit "none") (lt (include "token-injector.amount" $limit | float64) (include "token-injector.amount" $request | float64)) -}}
{{- fail (printf "webhook.settings.injector-%s-limit is %s, less than injector-%s-request, which is %s: Kubernetes refuses such a container" $resource $limit $resource $request) -}}
{{- end -}}
{{- end -}}
{{- $floor := index $settings "kubelet-version-floor" | default "auto" -}}
{{- if and (eq (index $settings "refresher" | default "auto") "native") (ne $floor "auto") -}}
{{- if semverCompare "<1.29.0-0" (printf "%s.0" (regexFind "[0-9]+[.][0-9]+" $floor)) -}}
{{- fail (printf "webhook.settings.refresher is native, which needs kubelets of 1.29 or newer, and webhook.settings.kubelet-version-floor is %s: say auto" $floor) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A quantity as a number; the units are those of webhook/values.py. */}}
{{- define "token-injector.amount" -}}
{{- $units := dict "m" 0.001 "k" 1e3 "Ki" 1024.0 "M" 1e6 "Mi" 1048576.0 "G" 1e9 "Gi" 1073741824.0 -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[A-Za-z]*$" .) | default 1.0) -}}
{{- end -}}
