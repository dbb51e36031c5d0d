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
{{- $brokerSettings := .Values.broker.settings | default dict -}}
{{- range list "legacy-piggy" "enforce-service-account" -}}
{{- if and (index $brokerSettings .) (not $shared.arn) -}}
{{- fail (printf "broker.settings.%s is about the shared role: set broker.sharedRole.arn and its grants, or leave it out" .) -}}
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
