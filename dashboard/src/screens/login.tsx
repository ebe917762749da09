import { useEffect, useRef, useState, type FormEvent } from 'react';
import { useLocation } from 'wouter';
import { asProblem, type Problem } from '../api/problem';
import { useSession } from '../api/session';
import { Mark } from '../shell/sidebar';
import { useUrlState } from '../state/url';
import { Banner } from '../ui/banner';
import { Button } from '../ui/button';
import { TextField } from '../ui/form';

/** By a key, or by the one-time link that the server printed when it started. */
export default function Login() {
  const { session, ended, login } = useSession();
  const [, navigate] = useLocation();
  const url = useUrlState();
  const [key, setKey] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [byLink, setByLink] = useState(false);
  const linkTaken = useRef(false);
  const back = safeBack(url.get('back'));

  useEffect(() => {
    document.title = 'Log in · Postrider';
  }, []);
  useEffect(() => {
    if (session !== null && !busy) navigate(back, { replace: true });
  }, [session, busy, back, navigate]);

  const enter = async (credential: { key: string } | { link: string }) => {
    setBusy(true);
    setProblem(null);
    try {
      await login(credential);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };

  useEffect(() => {
    const token = window.location.hash.slice(1);
    if (token === '' || linkTaken.current) return;
    linkTaken.current = true;
    // Out of the address bar before anything else: it must not stay in the history or be shared.
    window.history.replaceState(null, '', window.location.pathname + window.location.search);
    setByLink(true);
    void enter({ link: token });
  });

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setByLink(false);
    void enter({ key: key.trim() });
  };
  return (
    <main className="login">
      <form className="login-box" onSubmit={submit}>
        <Mark size={40} />
        <h1>Log in to Postrider</h1>
        {ended && problem === null && !busy && (
          <Banner>
            Your session has ended, or its key was revoked. After you have logged in you are back
            where you were.
          </Banner>
        )}
        {byLink && problem !== null && (
          <Banner tone="warn">
            {problem.code === 'link_used' ? (
              <>
                This link has been used or is too old. <code>postrider dashboard</code> prints
                another, or log in with a key.
              </>
            ) : (
              problem.detail
            )}
          </Banner>
        )}
        <TextField
          label="API key"
          type="password"
          name="key"
          autoComplete="current-password"
          autoFocus
          placeholder="prk_…"
          value={key}
          error={byLink || problem === null ? undefined : wordsOf(problem)}
          onChange={event => setKey(event.target.value)}
          hint="The browser does not keep it: a session takes its place."
        />
        <Button type="submit" look="primary" busy={busy} disabled={key.trim() === ''}>
          {busy && byLink ? 'Opening the link' : 'Log in'}
        </Button>
        <details>
          <summary>Where do I find a key?</summary>
          <p>
            You may not need one: the server prints a link that logs in once when it starts, and{' '}
            <code>postrider dashboard</code> prints another. With <code>--dev</code> a key is in{' '}
            <code>dev.key</code> in the data directory. An admin makes more under Settings, or with{' '}
            <code>postrider keys create</code>.
          </p>
        </details>
      </form>
    </main>
  );
}

function wordsOf(problem: Problem): string {
  return problem.code === 'unauthorized'
    ? 'There is no such key. Was all of it copied?'
    : problem.detail;
}

/** Only a path of the dashboard: whoever made the link must not choose where one lands. */
function safeBack(back: string | null): string {
  return back !== null && /^\/(?![/\\])/.test(back) ? back : '/';
}
