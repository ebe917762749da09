"""A subscriber that checks `signature: jwt` with PyJWT and the body's hash by itself.

Usage: jwt.py PORT SECRET...    (port 0: any free one; secrets as shown at registration)

Prints `listening PORT`, then answers each request 200 if its token is genuine, fresh and speaks of
this very body, else 400 with the reason.
"""

import hashlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

PORT = int(sys.argv[1])
# The key is the secret's text as it is shown, prefix included.
SECRETS = sys.argv[2:]
REQUIRED = ["iss", "jti", "iat", "exp", "payload_hash"]


def refusal(body, headers):
    """Why the request is refused; None if it is genuine."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return "no bearer token"
    reason = "no secret was given"
    for secret in SECRETS:
        try:
            # The receiver pins the algorithm: what the token says about itself is not believed.
            claims = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                options={"require": REQUIRED, "verify_aud": False},
            )
            return wrong_claims(claims, body, headers)
        except jwt.PyJWTError as error:
            reason = f"{type(error).__name__}: {error}"
    return reason


def wrong_claims(claims, body, headers):
    if claims["payload_hash"] != hashlib.sha256(body).hexdigest():
        return "payload_hash is not the hash of this body"
    if claims["jti"] != headers.get("webhook-id"):
        return "jti is not the webhook-id"
    if claims["exp"] - claims["iat"] > 300:
        return "the token lives longer than five minutes"
    return None


class Subscriber(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reason = refusal(body, headers)
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
