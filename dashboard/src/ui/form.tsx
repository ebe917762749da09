import {
  useId,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
} from 'react';
import type { Problem } from '../api/problem';

interface FieldProps {
  label: string;
  hint?: ReactNode;
  /** What is wrong with it: usually `fieldError(problem, '/webhook_url')`. */
  error?: string;
  optional?: boolean;
  children(props: {
    id: string;
    'aria-describedby': string | undefined;
    'aria-invalid': boolean;
  }): ReactNode;
}

/** A labelled control with a hint and what the server has against its value. */
export function Field({ label, hint, error, optional, children }: FieldProps) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  return (
    <div className="field">
      <label htmlFor={id}>
        {label} {optional && <span className="faint">optional</span>}
      </label>
      {children({ id, 'aria-describedby': described || undefined, 'aria-invalid': Boolean(error) })}
      {error && (
        <p id={`${id}-error`} className="field-error">
          {error}
        </p>
      )}
      {hint && (
        <p id={`${id}-hint`} className="field-hint">
          {hint}
        </p>
      )}
    </div>
  );
}

type Common = Omit<FieldProps, 'children'>;

export function TextField({
  label,
  hint,
  error,
  optional,
  ...input
}: Common & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <Field label={label} hint={hint} error={error} optional={optional}>
      {props => <input className="input" type="text" autoComplete="off" {...input} {...props} />}
    </Field>
  );
}

export function TextAreaField({
  label,
  hint,
  error,
  optional,
  ...area
}: Common & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return (
    <Field label={label} hint={hint} error={error} optional={optional}>
      {props => <textarea className="input" rows={6} spellCheck={false} {...area} {...props} />}
    </Field>
  );
}

export function SelectField({
  label,
  hint,
  error,
  optional,
  children,
  ...select
}: Common & SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <Field label={label} hint={hint} error={error} optional={optional}>
      {props => (
        <select className="select" {...select} {...props}>
          {children}
        </select>
      )}
    </Field>
  );
}

/**
 * What the server says about the field at a JSON Pointer and below it. A code on the problem itself
 * that is about one field only comes with its pointer too.
 */
export function fieldError(problem: Problem | null, pointer: string): string | undefined {
  const found = problem?.fields.filter(
    field => field.pointer === pointer || field.pointer.startsWith(`${pointer}/`),
  );
  return found?.length ? found.map(field => field.detail).join(' ') : undefined;
}

/** What is left for the top of the form: what is about none of its fields. */
export function formError(problem: Problem | null, pointers: string[]): string | null {
  if (problem === null) return null;
  const known = problem.fields.some(field =>
    pointers.some(pointer => field.pointer === pointer || field.pointer.startsWith(`${pointer}/`)),
  );
  return known ? null : problem.detail;
}
