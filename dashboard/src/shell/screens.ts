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
    about: 'Keys, configuration, session',
  },
];

export function isAt(screen: string, path: string): boolean {
  return screen === '/' ? path === '/' : path === screen || path.startsWith(`${screen}/`);
}

/** In the order in which they stand in the settings. */
export const SETTINGS_SECTIONS = [
  { id: 'keys', label: 'Keys', icon: 'key' },
  { id: 'retention', label: 'Retention', icon: 'calendar' },
  { id: 'configuration', label: 'Configuration', icon: 'settings' },
  { id: 'session', label: 'Session', icon: 'user' },
  { id: 'about', label: 'About', icon: 'info' },
] as const satisfies { id: string; label: string; icon: IconName }[];

export type SettingsSection = (typeof SETTINGS_SECTIONS)[number]['id'];
