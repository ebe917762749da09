import type { SnippetLanguage } from './snippets';

/** `webhook-signature: v1,…`: HMAC-SHA256 over `id.timestamp.body` with the decoded secret. */
export const STANDARD_SNIPPETS: Record<SnippetLanguage, string> = {
  node: `
import { createHmac, timingSafeEqual } from 'node:crypto';

const secret = process.env.WEBHOOK_SECRET; // whsec_…
const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');

/** headers: names in lower case. body: a Buffer of the bytes as they came. */
export function verify(headers, body) {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  const signatures = headers['webhook-signature'];
  if (!id || !signatures || !/^\\d+$/.test(timestamp)) {
    throw new Error('signature headers are missing');
  }
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) {
    throw new Error('signed too long ago, or in the future');
  }
  const mac = createHmac('sha256', key).update(\`\${id}.\${timestamp}.\`).update(body);
  const expected = mac.digest();
  const genuine = signatures.split(' ').some(signature => {
    const [version, given = ''] = signature.split(',');
    const bytes = Buffer.from(given, 'base64');
    return (
      version === 'v1' && bytes.length === expected.length && timingSafeEqual(bytes, expected)
    );
  });
  if (!genuine) throw new Error('no signature matches');
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

SECRET = os.environ["WEBHOOK_SECRET"]  # whsec_…
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


def verify(headers, body: bytes):
    """headers: names in lower case. body: the bytes as they came."""
    event_id = headers["webhook-id"]
    timestamp = headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > 300:
        raise ValueError("signed too long ago, or in the future")
    signed = f"{event_id}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest())
    for signature in headers["webhook-signature"].split(" "):
        version, _, given = signature.partition(",")
        if version == "v1" and hmac.compare_digest(given.encode(), expected):
            return json.loads(body)
    raise ValueError("no signature matches")
`,
  go: `
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var secret = os.Getenv("WEBHOOK_SECRET") // whsec_…

// Verify says why a request is not genuine. body: the bytes as they came.
func Verify(header http.Header, body []byte) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return errors.New("WEBHOOK_SECRET is not set")
	}
	id, timestamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	at, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" {
		return errors.New("signature headers are missing")
	}
	if age := time.Now().Unix() - at; age > 300 || age < -300 {
		return errors.New("signed too long ago, or in the future")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	expected := mac.Sum(nil)
	for _, signature := range strings.Split(header.Get("webhook-signature"), " ") {
		version, encoded, _ := strings.Cut(signature, ",")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if version == "v1" && err == nil && hmac.Equal(given, expected) {
			return nil
		}
	}
	return errors.New("no signature matches")
}
`,
  ruby: `
require 'base64'
require 'json'
require 'openssl'

SECRET = ENV.fetch('WEBHOOK_SECRET') # whsec_…
KEY = Base64.strict_decode64(SECRET.delete_prefix('whsec_'))

# headers: names in lower case. body: the bytes as they came.
def verify(headers, body)
  id = headers.fetch('webhook-id')
  timestamp = headers.fetch('webhook-timestamp')
  age = Time.now.to_i - Integer(timestamp, 10)
  raise 'signed too long ago, or in the future' if age.abs > 300

  mac = OpenSSL::HMAC.digest('SHA256', KEY, "#{id}.#{timestamp}.".b + body.b)
  expected = Base64.strict_encode64(mac)
  genuine = headers.fetch('webhook-signature').split(' ').any? do |signature|
    version, given = signature.split(',', 2)
    version == 'v1' && OpenSSL.secure_compare(given.to_s, expected)
  end
  raise 'no signature matches' unless genuine

  JSON.parse(body)
end
`,
  php: `
<?php
// $headers: array_change_key_case(getallheaders()).
// $body: file_get_contents('php://input'), the bytes as they came.
function verify(array $headers, string $body): mixed
{
    $secret = getenv('WEBHOOK_SECRET'); // whsec_…
    $key = base64_decode(preg_replace('/^whsec_/', '', (string) $secret), true);
    if (!$key) {
        throw new Exception('WEBHOOK_SECRET is not set');
    }
    $id = $headers['webhook-id'] ?? '';
    $timestamp = $headers['webhook-timestamp'] ?? '';
    $signatures = $headers['webhook-signature'] ?? '';
    if ($id === '' || !ctype_digit($timestamp)) {
        throw new Exception('signature headers are missing');
    }
    if (abs(time() - (int) $timestamp) > 300) {
        throw new Exception('signed too long ago, or in the future');
    }
    $mac = hash_hmac('sha256', "$id.$timestamp.$body", $key, true);
    $expected = 'v1,' . base64_encode($mac);
    foreach (explode(' ', $signatures) as $signature) {
        if (hash_equals($expected, $signature)) {
            return json_decode($body, flags: JSON_THROW_ON_ERROR);
        }
    }
    throw new Exception('no signature matches');
}
`,
  java: `
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

final class Webhook {
    private static final String SECRET = System.getenv("WEBHOOK_SECRET"); // whsec_…

    /** Throws if the request is not genuine. body: the bytes as they came. */
    static void verify(String id, String timestamp, String signatures, byte[] body)
            throws GeneralSecurityException {
        // The values of webhook-id, webhook-timestamp and webhook-signature.
        if (Math.abs(Instant.now().getEpochSecond() - Long.parseLong(timestamp)) > 300) {
            throw new SecurityException("signed too long ago, or in the future");
        }
        byte[] key = Base64.getDecoder().decode(SECRET.substring("whsec_".length()));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
        String expected = "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
        for (String signature : signatures.split(" ")) {
            if (MessageDigest.isEqual(expected.getBytes(), signature.getBytes())) {
                return;
            }
        }
        throw new SecurityException("no signature matches");
    }
}
`,
};
