import type { AnchorHTMLAttributes } from 'react';
import { Link } from 'wouter';
import { useHref } from '../state/url';
import { Icon, type IconName } from './icons';

interface Props extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, 'href'> {
  to: string;
  /** `to` is a whole address of this screen (of useUrlState().href): nothing is added. */
  exact?: boolean;
}

/** A link to another screen, which keeps tenant and time range. */
export function AppLink({ to, exact, children, ...rest }: Props) {
  const href = useHref();
  return (
    <Link {...rest} href={exact ? to : href(to)}>
      {children}
    </Link>
  );
}

/** Looks like a button, is a link. */
export function LinkButton({
  look = 'plain',
  small,
  icon,
  className,
  children,
  ...rest
}: Props & { look?: 'plain' | 'primary' | 'quiet'; small?: boolean; icon?: IconName }) {
  const classes = ['button', look, small ? 'small' : '', className ?? ''].filter(Boolean).join(' ');
  return (
    <AppLink {...rest} className={classes}>
      {icon && <Icon name={icon} />}
      {children}
    </AppLink>
  );
}
