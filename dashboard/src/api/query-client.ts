import { QueryClient } from '@tanstack/react-query';
import { asProblem } from './problem';

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
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
}

/** How often what is looked at is asked for again, where no stream says that it changed. */
export const POLL_MS = 5_000;
