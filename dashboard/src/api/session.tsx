import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import { navigate } from 'wouter/use-browser-location';
import { api, onSessionLost } from './client';
import { Problem } from './problem';
import type { Session } from './types';

/** What a role may do: the verbs of the API. `look` is what every screen needs. */
export type Verb = 'publish' | 'look' | 'manage' | 'secret' | 'operate' | 'keys' | 'configure';

const MAY: Record<Session['role'], Verb[]> = {
  admin: ['publish', 'look', 'manage', 'secret', 'operate', 'keys', 'configure'],
  publisher: ['publish'],
  viewer: ['look', 'operate'],
  tenant: ['publish', 'look', 'manage', 'secret'],
};

interface SessionState {
  session: Session | null;
  loading: boolean;
  /** It was over without a wish for that: its time, or its key. */
  ended: boolean;
  /** Why it is not known whether anybody is logged in. */
  problem: Problem | null;
  retry(): void;
  login(credential: { key: string } | { link: string }): Promise<Session>;
  logout(): Promise<void>;
  may(verb: Verb): boolean;
}

const KEY = ['session'];
/** That somebody was logged in here, also before a reload: the cookie is not for scripts. */
const MARK = 'postrider.session';
const Context = createContext<SessionState | null>(null);

export function useSession(): SessionState {
  const state = useContext(Context);
  if (state === null) throw new Error('useSession outside of SessionProvider');
  return state;
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const { data, error, isPending, refetch } = useQuery({
    queryKey: KEY,
    queryFn: fetchSession,
    staleTime: Infinity,
    gcTime: Infinity,
    retry: false,
    refetchOnWindowFocus: false,
  });

  useEffect(() => onSessionLost(() => client.setQueryData(KEY, null)), [client]);

  const [ended, setEnded] = useState(false);
  useEffect(() => {
    if (data === undefined) return;
    setEnded(data === null && sessionStorage.getItem(MARK) !== null);
    if (data !== null) sessionStorage.setItem(MARK, '1');
  }, [data]);

  const state = useMemo<SessionState>(() => {
    const session = data ?? null;
    return {
      session,
      ended,
      loading: isPending,
      problem: error instanceof Problem ? error : null,
      retry: () => void refetch(),
      login: async credential => {
        const made = await api.post<Session>('/v1/session', credential);
        client.removeQueries({ predicate: query => query.queryKey[0] !== KEY[0] });
        client.setQueryData(KEY, made);
        return made;
      },
      logout: async () => {
        await api.delete('/v1/session');
        sessionStorage.removeItem(MARK);
        client.removeQueries({ predicate: query => query.queryKey[0] !== KEY[0] });
        client.setQueryData(KEY, null);
        // Whoever logs in next is not led to where this one was.
        navigate('/dashboard/login');
      },
      may: verb => session !== null && MAY[session.role].includes(verb),
    };
  }, [client, data, ended, error, isPending, refetch]);

  return <Context.Provider value={state}>{children}</Context.Provider>;
}

async function fetchSession(): Promise<Session | null> {
  try {
    return await api.get<Session>('/v1/session');
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return null;
    throw error;
  }
}
