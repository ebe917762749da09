import { QueryClient } from '@tanstack/react-query';
import { asProblem } from './problem';
import { isReached, onReachChange } from './reach';
import { onStreamLost } from './stream';

export function makeQueryClient(): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        // Asked whatever the browser thinks of the network: the server may be on this very host.
        networkMode: 'always',
        staleTime: 2_000,
        refetchOnWindowFocus: true,
        // What the server has answered it will answer again; a lost connection may come back.
        retry: (count, error) => {
          const { status } = asProblem(error);
          return (status === 0 || status >= 502) && count < 2;
        },
        retryDelay: attempt => 500 * 2 ** attempt,
      },
      mutations: { retry: false },
    },
  });
  onReachChange(() => {
    // A stream that broke off or a request that failed asks whether the server is there, and once it
    // is there again what could not be loaded is loaded.
    if (isReached()) {
      void client.refetchQueries({ type: 'active', predicate: one => one.state.error !== null });
    } else void client.invalidateQueries({ queryKey: ['readiness'] });
  });
  onStreamLost(() => void client.invalidateQueries({ queryKey: ['readiness'] }));
  return client;
}

/** How often what is looked at is asked for again, where no stream says that it changed. */
export const POLL_MS = 5_000;
