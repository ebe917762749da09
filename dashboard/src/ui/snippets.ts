import type { Webhook } from '../api/types';
import { JWT_SNIPPETS } from './snippets-jwt';
import { STANDARD_SNIPPETS } from './snippets-standard';

type Scheme = Webhook['signature']['scheme'];

export const SNIPPET_LANGUAGES = [
  { id: 'node', label: 'Node' },
  { id: 'python', label: 'Python' },
  { id: 'go', label: 'Go' },
  { id: 'ruby', label: 'Ruby' },
  { id: 'php', label: 'PHP' },
  { id: 'java', label: 'Java' },
] as const;

export type SnippetLanguage = (typeof SNIPPET_LANGUAGES)[number]['id'];

/**
 * How a receiver checks that a request is from us, in its language, without a library where the
 * language has what it takes. The secret comes from the environment: code that is copied should not
 * hold one. Every snippet throws away what is not genuine, wants the bytes as they came, and compares
 * in constant time.
 */
export function verifySnippet(
  language: SnippetLanguage,
  webhook: { id: string; signature: { scheme: Scheme } },
): string {
  const text =
    webhook.signature.scheme === 'jwt' ? JWT_SNIPPETS[language] : STANDARD_SNIPPETS[language];
  return text.replaceAll('{webhook}', webhook.id).trimStart();
}
