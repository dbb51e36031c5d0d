"""How does gunicorn run an HTTPS Flask application of ours? Framing, deadlines, TLS, probes, logs, a graceful stop.

`server → worker → connection → framing`, never backwards. It knows nothing of what is served: a program hands that in.
"""
