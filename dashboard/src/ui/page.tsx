import { useEffect, type ReactNode } from 'react';

interface PageProps {
  title: string;
  /** What the title shows, if more than text. */
  heading?: ReactNode;
  /** Beside the title: a status. */
  beside?: ReactNode;
  /** Below the title, in one line. */
  about?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A screen: its only h1, its actions, its content. */
export function Page({ title, heading, beside, about, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Postrider`;
  }, [title]);
  return (
    <>
      <header className="page-head">
        <div className="grow">
          <div className="row wrap">
            <h1 className="break">{heading ?? title}</h1>
            {beside}
          </div>
          {about && <div className="page-about">{about}</div>}
        </div>
        {actions && <div className="row wrap page-actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

interface PanelProps {
  title?: string;
  about?: ReactNode;
  actions?: ReactNode;
  /** Content reaches the edges: for tables. */
  flush?: boolean;
  className?: string;
  children: ReactNode;
}

/** A titled box. */
export function Panel({ title, about, actions, flush, className, children }: PanelProps) {
  return (
    <section className={`panel${flush ? ' flush' : ''} ${className ?? ''}`} aria-label={title}>
      {title !== undefined && (
        <header className="panel-head">
          <h2>{title}</h2>
          {about && <span className="muted small">{about}</span>}
          {actions && <div className="row end">{actions}</div>}
        </header>
      )}
      <div className="panel-body">{children}</div>
    </section>
  );
}

/** Facts as label and value, in columns that fit. */
export function Facts({ of }: { of: [label: string, value: ReactNode][] }) {
  return (
    <dl className="facts">
      {of.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
