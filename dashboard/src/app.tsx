import { Component, lazy, Suspense, useEffect, type ReactNode } from 'react';
import { Redirect, Route, Router, Switch, useLocation } from 'wouter';
import { useSession } from './api/session';
import { Shell } from './shell/shell';
import { listenForShortcuts } from './state/keys';
import { lastOfPath, writtenPath } from './state/path';
import { Button } from './ui/button';
import { ErrorState, State } from './ui/list-states';
import { TipLayer } from './ui/tip';
import { Toasts } from './ui/toast';

const Login = lazy(() => import('./screens/login'));
const Overview = lazy(() => import('./screens/overview/overview'));
const Webhooks = lazy(() => import('./screens/webhooks/webhooks'));
const Webhook = lazy(() => import('./screens/webhook/webhook'));
const Events = lazy(() => import('./screens/events/events'));
const Event = lazy(() => import('./screens/event/event'));
const Deliveries = lazy(() => import('./screens/deliveries/deliveries'));
const Queue = lazy(() => import('./screens/queue/queue'));
const Settings = lazy(() => import('./screens/settings/settings'));
const NotFound = lazy(() => import('./screens/not-found'));

export function App() {
  useEffect(listenForShortcuts, []);
  return (
    <Router base="/dashboard">
      <Switch>
        <Route path="/login">
          <Suspense fallback={null}>
            <Login />
          </Suspense>
        </Route>
        <Route>
          <LoggedIn />
        </Route>
      </Switch>
      <TipLayer />
      <Toasts />
    </Router>
  );
}

function LoggedIn() {
  const { session, loading, problem, retry, may } = useSession();
  const [path] = useLocation();
  if (loading) return null;
  if (problem !== null) {
    return (
      <main className="alone">
        <h1 className="hidden-text">Postrider</h1>
        <ErrorState problem={problem} onRetry={retry} />
      </main>
    );
  }
  if (session === null) {
    const back = writtenPath() + window.location.search;
    return (
      <Redirect to={back === '/' ? '/login' : `/login?back=${encodeURIComponent(back)}`} replace />
    );
  }
  if (!may('look')) return <MayNotLook />;
  return (
    <Shell>
      <Broken key={path}>
        <Suspense fallback={<ScreenLoading />}>
          <Switch>
            <Route path="/" component={Overview} />
            <Route path="/webhooks" component={Webhooks} />
            <Route path="/webhooks/:id">{({ id }) => <Webhook key={id} id={id} />}</Route>
            <Route path="/events" component={Events} />
            <Route path="/events/:id">{({ id }) => <Event key={id} id={lastOfPath()} />}</Route>
            <Route path="/deliveries" component={Deliveries} />
            <Route path="/queue" component={Queue} />
            <Route path="/settings/:section?">
              {({ section }) => <Settings section={section} />}
            </Route>
            <Route component={NotFound} />
          </Switch>
        </Suspense>
      </Broken>
    </Shell>
  );
}

function ScreenLoading() {
  return (
    <div className="screen-loading" role="status">
      <h1 className="hidden-text">Loading</h1>
    </div>
  );
}

function MayNotLook() {
  const { session, logout } = useSession();
  return (
    <main className="alone">
      <h1 className="hidden-text">Postrider</h1>
      <State
        icon="lock"
        title="This key only publishes"
        action={
          <Button icon="out" onClick={() => void logout()}>
            Log in with another key
          </Button>
        }
      >
        The key {session?.key_name} may publish events and see nothing. The dashboard needs one that
        may look: of an admin, a viewer or a tenant.
      </State>
    </main>
  );
}

/** A fault in one screen leaves the others usable. A new version of the dashboard is one reason. */
class Broken extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <div role="alert">
        <State
          icon="warning"
          title="This screen broke"
          action={
            <Button icon="retry" onClick={() => window.location.reload()}>
              Load it again
            </Button>
          }
        >
          {String(this.state.error)}
        </State>
      </div>
    );
  }
}
