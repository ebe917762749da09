import type { ReactNode } from 'react';
import { Icon } from './icons';

interface Props {
  tone?: 'info' | 'warn' | 'bad';
  children: ReactNode;
  action?: ReactNode;
}

/** Something to know before reading on. */
export function Banner({ tone = 'info', children, action }: Props) {
  return (
    <div className={`banner ${tone}`} role={tone === 'bad' ? 'alert' : undefined}>
      <Icon name={tone === 'info' ? 'info' : 'warning'} />
      <div className="grow">{children}</div>
      {action}
    </div>
  );
}
