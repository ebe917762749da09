import type { ButtonHTMLAttributes } from 'react';
import { Icon, type IconName } from './icons';

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: 'plain' | 'primary' | 'danger' | 'quiet';
  icon?: IconName;
  small?: boolean;
  busy?: boolean;
}

export function Button({ look = 'plain', icon, small, busy, children, className, ...rest }: Props) {
  const classes = ['button', look, small ? 'small' : '', className ?? ''].filter(Boolean).join(' ');
  return (
    <button type="button" {...rest} className={classes} disabled={busy || rest.disabled}>
      {busy ? <span className="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

interface IconProps extends Omit<Props, 'icon' | 'children'> {
  icon: IconName;
  label: string;
}

/** A button that is an icon: its label is its name and its tooltip. */
export function IconButton({
  icon,
  label,
  look = 'quiet',
  small,
  className,
  busy,
  ...rest
}: IconProps) {
  const classes = ['button icon-only', look, small ? 'small' : '', className ?? ''];
  return (
    <button
      type="button"
      data-tip={label}
      {...rest}
      disabled={busy || rest.disabled}
      aria-label={label}
      className={classes.filter(Boolean).join(' ')}
    >
      {busy ? <span className="spinner" aria-hidden="true" /> : <Icon name={icon} />}
    </button>
  );
}
