import type { SnippetLanguage } from './snippets';

/**
 * `authorization: Bearer …`: a JWT signed HS256 with the secret's whole text, with the hash of the body
 * in its claims. A library that checks the signature alone does not look at the body.
 */
export const JWT_SNIPPETS: Record<SnippetLanguage, string> = {
  node: `
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

const secret = process.env.WEBHOOK_SECRET; // whsec_…: its whole text is the key
const read = part => JSON.parse(Buffer.from(part, 'base64url'));

/** headers: names in lower case. body: a Buffer of the bytes as they came. */
export function verify(headers, body) {
  const token = /^Bearer ([\\w-]+)\\.([\\w-]+)\\.([\\w-]+)$/.exec(headers.authorization ?? '');
  if (!token) throw new Error('the token is missing');
  const [, header, claims, signature] = token;
  const expected = createHmac('sha256', secret).update(\`\${header}.\${claims}\`).digest();
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new Error('the signature does not match');
  }
  const { alg, typ } = read(header);
  if (alg !== 'HS256' || typ !== 'webhook+jwt') throw new Error('a token of another kind');
  const { aud, nbf, exp, payload_hash } = read(claims);
  const now = Date.now() / 1000;
  if (aud !== '{webhook}') throw new Error('meant for another webhook');
  if (now > exp || now < nbf - 300) throw new Error('signed too long ago, or in the future');
  if (payload_hash !== createHash('sha256').update(body).digest('hex')) {
    throw new Error('made for another body');
  }
  return JSON.parse(body);
}
`,
  python: `
import base64
import hashlib
import hmac
import json
import os
import time

SECRET = os.environ["WEBHOOK_SECRET"]  # whsec_…: its whole text is the key


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verify(headers, body: bytes):
    """headers: names in lower case. body: the bytes as they came."""
    kind, _, token = headers["authorization"].partition(" ")
    header, claims, signature = token.split(".")
    signed = f"{header}.{claims}".encode()
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    if kind != "Bearer" or not hmac.compare_digest(decode(signature), expected):
        raise ValueError("the signature does not match")
    header, claims = json.loads(decode(header)), json.loads(decode(claims))
    if header["alg"] != "HS256" or header["typ"] != "webhook+jwt":
        raise ValueError("a token of another kind")
    if claims["aud"] != "{webhook}":
        raise ValueError("meant for another webhook")
    if not claims["nbf"] - 300 <= time.time() <= claims["exp"]:
        raise ValueError("signed too long ago, or in the future")
    if claims["payload_hash"] != hashlib.sha256(body).hexdigest():
        raise ValueError("made for another body")
    return json.loads(body)
`,
  go: `
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"
)

var secret = os.Getenv("WEBHOOK_SECRET") // whsec_…: its whole text is the key

// Verify says why a request is not genuine. body: the bytes as they came.
func Verify(header http.Header, body []byte) error {
	if secret == "" {
		return errors.New("WEBHOOK_SECRET is not set")
	}
	token := strings.TrimPrefix(header.Get("authorization"), "Bearer ")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("the token is missing")
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	given, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return errors.New("the signature does not match")
	}
	var head struct{ Alg, Typ string }
	var claims struct {
		Aud         string
		Nbf, Exp    int64
		PayloadHash string \`json:"payload_hash"\`
	}
	if decode(parts[0], &head) != nil || decode(parts[1], &claims) != nil ||
		head.Alg != "HS256" || head.Typ != "webhook+jwt" {
		return errors.New("a token of another kind")
	}
	if claims.Aud != "{webhook}" {
		return errors.New("meant for another webhook")
	}
	if now := time.Now().Unix(); now > claims.Exp || now < claims.Nbf-300 {
		return errors.New("signed too long ago, or in the future")
	}
	if hash := sha256.Sum256(body); claims.PayloadHash != hex.EncodeToString(hash[:]) {
		return errors.New("made for another body")
	}
	return nil
}

func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
`,
  ruby: `
require 'base64'
require 'digest'
require 'json'
require 'openssl'

SECRET = ENV.fetch('WEBHOOK_SECRET') # whsec_…: its whole text is the key

# headers: names in lower case. body: the bytes as they came.
def verify(headers, body)
  kind, token = headers.fetch('authorization').split(' ', 2)
  header, claims, signature = token.to_s.split('.', 3)
  mac = OpenSSL::HMAC.digest('SHA256', SECRET, "#{header}.#{claims}")
  expected = Base64.urlsafe_encode64(mac, padding: false)
  genuine = kind == 'Bearer' && OpenSSL.secure_compare(signature.to_s, expected)
  raise 'the signature does not match' unless genuine

  header, claims = [header, claims].map { |part| JSON.parse(Base64.urlsafe_decode64(part)) }
  unless header['alg'] == 'HS256' && header['typ'] == 'webhook+jwt'
    raise 'a token of another kind'
  end
  raise 'meant for another webhook' unless claims['aud'] == '{webhook}'

  now = Time.now.to_i
  raise 'signed too long ago, or in the future' if now > claims['exp'] || now < claims['nbf'] - 300
  raise 'made for another body' unless claims['payload_hash'] == Digest::SHA256.hexdigest(body)

  JSON.parse(body)
end
`,
  php: `
<?php
// $headers: array_change_key_case(getallheaders()).
// $body: file_get_contents('php://input'), the bytes as they came.
function verify(array $headers, string $body): mixed
{
    $secret = getenv('WEBHOOK_SECRET'); // whsec_…: its whole text is the key
    if (!$secret) {
        throw new Exception('WEBHOOK_SECRET is not set');
    }
    $token = '/^Bearer ([\\w-]+)\\.([\\w-]+)\\.([\\w-]+)$/D';
    if (!preg_match($token, $headers['authorization'] ?? '', $parts)) {
        throw new Exception('the token is missing');
    }
    [, $header, $claims, $signature] = $parts;
    $mac = hash_hmac('sha256', "$header.$claims", $secret, true);
    $expected = rtrim(strtr(base64_encode($mac), '+/', '-_'), '=');
    if (!hash_equals($expected, $signature)) {
        throw new Exception('the signature does not match');
    }
    [$header, $claims] = array_map(
        fn($part) => json_decode(base64_decode(strtr($part, '-_', '+/'))),
        [$header, $claims],
    );
    if ($header->alg !== 'HS256' || $header->typ !== 'webhook+jwt') {
        throw new Exception('a token of another kind');
    }
    if ($claims->aud !== '{webhook}') {
        throw new Exception('meant for another webhook');
    }
    if (time() > $claims->exp || time() < $claims->nbf - 300) {
        throw new Exception('signed too long ago, or in the future');
    }
    if ($claims->payload_hash !== hash('sha256', $body)) {
        throw new Exception('made for another body');
    }
    return json_decode($body, flags: JSON_THROW_ON_ERROR);
}
`,
  java: `
// With the library com.auth0:java-jwt.
import com.auth0.jwt.JWT;
import com.auth0.jwt.JWTVerifier;
import com.auth0.jwt.algorithms.Algorithm;
import com.auth0.jwt.interfaces.DecodedJWT;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;

final class Webhook {
    private static final String SECRET = System.getenv("WEBHOOK_SECRET"); // whsec_…

    private static final JWTVerifier VERIFIER =
            JWT.require(Algorithm.HMAC256(SECRET)) // its whole text is the key
                    .withAudience("{webhook}")
                    .acceptNotBefore(300)
                    .acceptIssuedAt(300)
                    .build();

    /** Throws if the request is not genuine. body: the bytes as they came. */
    static void verify(String authorization, byte[] body) throws GeneralSecurityException {
        DecodedJWT token = VERIFIER.verify(authorization.substring("Bearer ".length()));
        if (!"webhook+jwt".equals(token.getType())) {
            throw new SecurityException("a token of another kind");
        }
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(body);
        String expected = HexFormat.of().formatHex(hash);
        if (!expected.equals(token.getClaim("payload_hash").asString())) {
            throw new SecurityException("made for another body");
        }
    }
}
`,
};
