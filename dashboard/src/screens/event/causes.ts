import type { Attempt, AttemptErrorClass, Webhook } from '../../api/types';
import { duration } from '../../ui/format';
import { ERROR_ABOUT } from '../../ui/words';

/** What an attempt without success means, and what to do about it: a plain sentence each. */
export interface Cause {
  means: string;
  todo: string;
}

type Told = Pick<Attempt, 'status' | 'error'> & Partial<Pick<Attempt, 'response'>>;

/** Null for a success: there is nothing to explain. */
export function causeOf(attempt: Told, webhook?: Webhook): Cause | null {
  const { status, error } = attempt;
  if (status !== null) return ofStatus(status, attempt.response?.headers ?? {}, webhook);
  if (error === null) return null;
  const means = ERROR_ABOUT[error.class] ?? 'No answer came.';
  if (error.class === 'timeout' && webhook !== undefined) {
    const limit = duration(webhook.timeout_ms);
    return {
      means: `No answer within ${limit}, the time limit of the webhook.`,
      todo: OF_ERROR.timeout,
    };
  }
  return { means, todo: OF_ERROR[error.class] };
}

const OF_ERROR: Record<AttemptErrorClass, string> = {
  dns: 'Check the host name in the URL of the webhook, and that its DNS record exists.',
  dns_timeout:
    'It often passes by itself. If several webhooks show it, look at the name server that the workers use.',
  connect:
    'See whether the receiver runs and listens on this port, and whether a firewall turns it away.',
  connect_timeout:
    'The host is down, or a firewall drops the connection: have it admit the addresses of the workers.',
  tls: 'Renew the certificate of the receiver, have it send the whole chain, or correct the host name.',
  timeout:
    'Have the receiver answer first and work afterwards, or raise the time limit of the webhook.',
  connection:
    'Look into the log of the receiver, and of the proxy before it, at this moment: it crashed, restarted or hit a limit.',
  protocol: 'Check that the scheme and the port of the URL lead to an HTTP/1.1 server.',
  forbidden:
    'Correct the URL. If the address is meant, allow it with POSTRIDER_EGRESS_ALLOW, then retry.',
  target_forbidden:
    'Correct the DNS record of the host. If the address is meant, allow it with POSTRIDER_EGRESS_ALLOW.',
  signing:
    'Rotate the secret of the webhook. If several webhooks show it, check POSTRIDER_MASTER_KEY of the workers.',
};

function ofStatus(
  status: number,
  headers: Record<string, unknown>,
  webhook?: Webhook,
): Cause | null {
  if (status >= 200 && status < 300) return null;
  if (status < 200) {
    return {
      means: 'The receiver answered with a status that ends nothing.',
      todo: 'Have it answer with a 2xx status once it has taken the event.',
    };
  }
  const cause = status < 400 ? ofRedirect(headers) : (OF_STATUS[status] ?? ofClass(status));
  if (!webhook?.retry.final_statuses.includes(status)) return cause;
  return {
    means: `${cause.means} This webhook calls ${status} final, so it is not tried again.`,
    todo: cause.todo,
  };
}

/** They are not followed: a receiver could lead a request to where it may not go. */
function ofRedirect(headers: Record<string, unknown>): Cause {
  const { location } = headers;
  return {
    means: 'The receiver redirects, and redirects are not followed.',
    todo:
      typeof location === 'string'
        ? `Change the URL of the webhook to where it points: ${location}`
        : 'Change the URL of the webhook to where it points.',
  };
}

const OF_STATUS: Record<number, Cause> = {
  400: {
    means: 'The receiver did not understand the request.',
    todo: 'Read its answer below: it may want another payload format, or other headers.',
  },
  401: {
    means: 'The receiver did not accept the credentials or the signature.',
    todo: 'Check that it verifies with the current secret of this webhook; see Signature below.',
  },
  403: {
    means: 'The receiver does not let this request in.',
    todo: 'Check the signature there, and whether a firewall or proxy before it turns away the workers.',
  },
  404: {
    means: 'The receiver knows nothing at this path.',
    todo: 'Correct the path in the URL of the webhook, or deploy the route there.',
  },
  405: {
    means: 'The receiver does not take this method at this path.',
    todo: 'Change the method of the webhook, or the path in its URL.',
  },
  408: {
    means: 'The receiver waited too long for the request.',
    todo: 'It often passes by itself; if not, look at the limits of the proxy before the receiver.',
  },
  409: {
    means: 'The receiver says that this collides with what it has.',
    todo: 'Have it answer 2xx to an event id that it has taken already: repeats are normal.',
  },
  410: {
    means: 'The receiver says that it is gone for good; its webhook was disabled for that.',
    todo: 'If it is to go on, resume the webhook, then retry.',
  },
  413: {
    means: 'The body is larger than the receiver takes.',
    todo: 'Raise the limit there, or publish a link to the data instead of the data.',
  },
  415: {
    means: 'The receiver does not take application/json.',
    todo: 'Have it read JSON, or change the content-type header of the webhook.',
  },
  422: {
    means: 'The receiver read the event but does not accept what is in it.',
    todo: 'Read its answer below; if such events are of no use to it, narrow the event types of the webhook.',
  },
  429: {
    means: 'The receiver gets more than it can take.',
    todo: 'Nothing has to be done if it sends Retry-After, which is kept to; else lower max_in_flight of the webhook.',
  },
  500: {
    means: 'An error within the receiver.',
    todo: 'Look into its log at this moment; the answer below may say more.',
  },
  501: {
    means: 'The receiver does not have what is asked for.',
    todo: 'Check the method and the path of the webhook.',
  },
  502: {
    means: 'The proxy before the receiver got no valid answer from it.',
    todo: 'See whether the service behind the proxy runs, and what its log says.',
  },
  503: {
    means: 'The receiver is overloaded or down for the moment.',
    todo: 'It often passes by itself: a Retry-After is kept to. If not, see whether the service runs.',
  },
  504: {
    means: 'The proxy before the receiver waited too long for it.',
    todo: 'Have the receiver answer first and work afterwards.',
  },
};

function ofClass(status: number): Cause {
  if (status < 500) {
    return {
      means: 'The receiver does not accept the request.',
      todo: 'Read its answer below, then change the webhook or the receiver.',
    };
  }
  return {
    means: 'An error within the receiver or before it.',
    todo: 'Look into its log at this moment; the answer below may say more.',
  };
}
