import type { Attempt } from '../../api/types';
import type { PhaseId } from '../../ui/waterfall';

/** The phase in which an attempt without an answer ended. */
export function brokeOffIn({ status, error, timings }: Attempt): PhaseId | undefined {
  if (status !== null || error === null) return undefined;
  switch (error.class) {
    case 'dns':
    case 'dns_timeout':
    case 'target_forbidden':
      return 'dns';
    case 'connect':
    case 'connect_timeout':
    case 'tls':
      return 'connect';
    case 'timeout':
    case 'connection':
    case 'protocol':
      if (timings.first_byte_ms !== null) return 'body';
      return timings.dns_ms !== null && timings.connect_ms === null ? 'connect' : 'first';
    case 'forbidden':
    case 'signing':
      return undefined;
  }
}
