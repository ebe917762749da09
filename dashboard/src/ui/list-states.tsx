import type { ReactNode } from 'react';
import type { Problem } from '../api/problem';
import { Button } from './button';
import { Icon, type IconName } from './icons';

interface StateProps {
  icon: IconName;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}

/** Says in the middle of an empty place why it is empty and what to do. */
export function State({ icon, title, children, action }: StateProps) {
  return (
    <div className="state">
      <span className="state-icon">
        <Icon name={icon} size={20} />
      </span>
      <p className="state-title">{title}</p>
      {children && <div className="state-text">{children}</div>}
      {action}
    </div>
  );
}

export function ErrorState({ problem, onRetry }: { problem: Problem; onRetry(): void }) {
  return (
    <div role="alert">
      <State
        icon="warning"
        title="This could not be loaded"
        action={
          <Button icon="retry" onClick={onRetry}>
            Try again
          </Button>
        }
      >
        {problem.detail} {problem.code !== '' && <code className="faint">{problem.code}</code>}
      </State>
    </div>
  );
}

export function NoMatch({ what, onClear }: { what: string; onClear(): void }) {
  return (
    <State
      icon="filter"
      title={`No ${what} match`}
      action={<Button onClick={onClear}>Clear filters</Button>}
    >
      Nothing has all that the filters ask for.
    </State>
  );
}

/** A grey bar where text will be. */
export function Skeleton({
  width = '70%',
  height = 12,
}: {
  width?: string | number;
  height?: number;
}) {
  return <span className="skeleton" style={{ width, height }} aria-hidden="true" />;
}

/** As high as a chart, which takes its place. */
export function ChartSkeleton() {
  return <Skeleton width="100%" height={232} />;
}
