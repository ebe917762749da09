import type { IconName } from '../ui/icons';

/** The screens of the navigation, in its order, with the key after `g`. */
export const SCREENS: {
  path: string;
  label: string;
  icon: IconName;
  key: string;
  about: string;
}[] = [
  { path: '/', label: 'Overview', icon: 'overview', key: 'o', about: 'How it is going' },
  { path: '/webhooks', label: 'Webhooks', icon: 'webhook', key: 'w', about: 'Who receives what' },
  { path: '/events', label: 'Events', icon: 'event', key: 'e', about: 'What happened' },
  {
    path: '/deliveries',
    label: 'Deliveries',
    icon: 'delivery',
    key: 'd',
    about: 'What was sent where',
  },
  {
    path: '/queue',
    label: 'Queue and workers',
    icon: 'queue',
    key: 'q',
    about: 'What does the work',
  },
  {
    path: '/settings',
    label: 'Settings',
    icon: 'settings',
    key: 's',
    about: 'Keys, event types, configuration',
  },
];

export function isAt(screen: string, path: string): boolean {
  return screen === '/' ? path === '/' : path === screen || path.startsWith(`${screen}/`);
}
