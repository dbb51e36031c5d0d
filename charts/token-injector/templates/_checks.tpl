{{/* What a schema cannot say: values that are right alone and wrong together. Each refusal names the keys and the fix. */}}
{{- define "token-injector.checks" -}}
{{- if eq (int .Values.webhook.port) (int .Values.webhook.telemetryPort) -}}
{{- fail (printf "webhook.port and webhook.telemetryPort are both %v: a container cannot listen twice on one port" .Values.webhook.port) -}}
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
