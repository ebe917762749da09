"""A subscriber that believes nothing but the published `standardwebhooks` library.

Usage: standard.py PORT SECRET...    (port 0: any free one)

Prints `listening PORT`, then answers each request 200 if the library verifies it with one of the
secrets, else 400 with the library's reason.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

PORT, SECRETS = int(sys.argv[1]), sys.argv[2:]


def refusal(body, headers):
    """Why the request is refused; None if it is genuine."""
    reason = "no secret was given"
    for secret in SECRETS:
        try:
            Webhook(secret).verify(body, headers)
            return None
        except WebhookVerificationError as error:
            reason = str(error)
        except ValueError as error:
            reason = f"malformed: {error}"
    return reason


class Subscriber(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        reason = refusal(body, dict(self.headers.items()))
        text = (reason or "verified").encode()
        self.send_response(400 if reason else 200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Subscriber)
    print("listening", server.server_port, flush=True)
    server.serve_forever()
