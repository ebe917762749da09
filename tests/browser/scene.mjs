// The server that is looked at, and what was done in it before (see tests/e2e/browser.rs).

/** `{url, receiver, keys, webhooks, events, mode}`; of webhooks and events the ids, by their names. */
export const scene = JSON.parse(process.env.POSTRIDER_TEST_SCENE);

/** Asks the API as a program does. */
export async function api(method, path, body, key = scene.keys.admin) {
  const answer = await fetch(scene.url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}

/** A cookie of one who logged in by the key of that name. */
export async function session(name) {
  const answer = await fetch(`${scene.url}/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key: scene.keys[name] }),
  });
  if (!answer.ok) throw new Error(`no session for ${name}: ${await answer.text()}`);
  const [pair] = answer.headers.get('set-cookie').split(';');
  const [cookie, value] = pair.split('=');
  return { name: cookie, value, url: scene.url, httpOnly: true, sameSite: 'Strict' };
}

const HOUR_MS = 3_600_000;

/**
 * A webhook of a test's own, which it may change. Its receiver takes everything, but for the paths in
 * the scene; what fails is not tried again while the test lasts, unless somebody says so.
 */
export function register(path, more = {}) {
  const retry = { policy: 'schedule', delays_ms: [HOUR_MS, HOUR_MS] };
  const body = { webhook_url: scene.receiver + path, event_types: [typeOf(path)], retry };
  return api('POST', '/v1/webhooks/register', { ...body, ...more });
}

/** The event type that a webhook of {@link register} wants: `/pause` gets `own.pause`. */
export function typeOf(path) {
  return `own.${path.slice(1).replaceAll('-', '_')}`;
}

/** Publishes an event and waits for the one delivery that is made of it. */
export async function deliver(type, data = { n: 1 }) {
  const { id } = await api('POST', '/v1/events', { type, data });
  return until(`a delivery of ${id}`, async () => {
    const { data: made } = await api('GET', `/v1/deliveries?event_id=${id}`);
    return made[0];
  });
}

/** The delivery once it has this status. */
export function deliveryThatIs(status, id) {
  return until(`${id} is ${status}`, async () => {
    const delivery = await api('GET', `/v1/deliveries/${id}`);
    return delivery.status === status ? delivery : undefined;
  });
}

/** Looks again and again until there is something to see, and returns it. */
export async function until(what, look) {
  const end = Date.now() + 30_000;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false && seen !== null) return seen;
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise(resolve => setTimeout(resolve, 25));
  }
}
