import type { ReactNode } from 'react';

/** Drawn on a grid of 16, one stroke width; they say nothing alone: a word or a label is beside. */
const SHAPES = {
  overview: <path d="M2.5 9.5h3l2-6 2.5 9 1.8-5h1.7" />,
  webhook: (
    <>
      <circle cx="8" cy="4.2" r="1.9" />
      <circle cx="4" cy="11.4" r="1.9" />
      <circle cx="12" cy="11.4" r="1.9" />
      <path d="M7.1 5.9 5 9.7M8.9 5.9l2.1 3.8M5.9 11.4h4.2" />
    </>
  ),
  event: <path d="M8.8 2 3.5 9h4l-.8 5L12.5 7h-4.1z" />,
  delivery: <path d="M13.8 2.2 2.2 6.6l4.6 2.1 2.2 4.9zM6.8 8.7l3-2.8" />,
  queue: (
    <>
      <rect x="2.5" y="2.8" width="11" height="2.8" rx="1" />
      <rect x="2.5" y="7" width="11" height="2.8" rx="1" />
      <path d="M3.5 12.6h9" />
    </>
  ),
  settings: (
    <>
      <path d="M2.5 4.5h5M11.5 4.5h2M2.5 11.5h2M8.5 11.5h5" />
      <circle cx="9.5" cy="4.5" r="1.8" />
      <circle cx="6.5" cy="11.5" r="1.8" />
    </>
  ),
  check: <path d="m3 8.6 3.2 3.1L13 4.6" />,
  cross: <path d="m4 4 8 8M12 4l-8 8" />,
  retry: <path d="M13 3v3.4H9.6M13 6.4A5.3 5.3 0 1 0 13.3 9" />,
  clock: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 5v3.2l2.1 1.3" />
    </>
  ),
  pause: <path d="M5.6 3.8v8.4M10.4 3.8v8.4" />,
  play: <path d="m5 3.5 7 4.5-7 4.5z" />,
  stop: <path d="M3.9 3.9 12.1 12.1M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z" />,
  warning: <path d="M8 2.6 14 13H2zM8 6.6v3M8 11.3v.1" />,
  info: (
    <>
      <circle cx="8" cy="8" r="5.6" />
      <path d="M8 7.4v3.4M8 5.2v.1" />
    </>
  ),
  shield: <path d="M8 2.2 13 4v3.9c0 2.9-2 4.9-5 5.9-3-1-5-3-5-5.9V4zM5.8 7.8h4.4" />,
  copy: (
    <>
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
      <path d="M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5" />
    </>
  ),
  search: (
    <>
      <circle cx="7" cy="7" r="4.2" />
      <path d="m10.2 10.2 3.3 3.3" />
    </>
  ),
  down: <path d="m4 6.2 4 4 4-4" />,
  left: <path d="m9.8 4-4 4 4 4" />,
  right: <path d="m6.2 4 4 4-4 4" />,
  more: <path d="M3.5 8h.1M8 8h.1M12.5 8h.1" strokeWidth="2.2" />,
  menu: <path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" />,
  sun: (
    <>
      <circle cx="8" cy="8" r="2.8" />
      <path d="M8 1.8v1.4M8 12.8v1.4M1.8 8h1.4M12.8 8h1.4M3.6 3.6l1 1M11.4 11.4l1 1M12.4 3.6l-1 1M4.6 11.4l-1 1" />
    </>
  ),
  moon: <path d="M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z" />,
  screen: <path d="M2.5 3.5h11v7h-11zM6 13.5h4M8 10.5v3" />,
  globe: (
    <>
      <circle cx="8" cy="8" r="5.6" />
      <path d="M2.4 8h11.2M8 2.4c3.6 3.8 3.6 7.4 0 11.2C4.4 9.8 4.4 6.2 8 2.4Z" />
    </>
  ),
  plus: <path d="M8 3v10M3 8h10" />,
  trash: <path d="M2.8 4.2h10.4M6.2 4V2.6h3.6V4M4.2 4.4l.6 9h6.4l.6-9M6.8 7v3.8M9.2 7v3.8" />,
  edit: <path d="m10.6 3 2.4 2.4-7.4 7.4-3 .6.6-3zM9.2 4.4l2.4 2.4" />,
  key: (
    <>
      <circle cx="5.2" cy="10.8" r="2.7" />
      <path d="m7.2 8.8 6-6M11 5l2 2M9 7l1.2 1.2" />
    </>
  ),
  eye: (
    <>
      <path d="M1.8 8S4 3.8 8 3.8 14.2 8 14.2 8 12 12.2 8 12.2 1.8 8 1.8 8Z" />
      <circle cx="8" cy="8" r="1.8" />
    </>
  ),
  out: <path d="M6.5 2.8H3.8v10.4h2.7M9.5 5l3 3-3 3M12.5 8H6.8" />,
  open: <path d="M9.5 2.8h3.7v3.7M13.2 2.8 7.6 8.4M11.8 9v4.2H2.8V4.2H7" />,
  filter: <path d="M2.5 3.8h11M4.8 8h6.4M7 12.2h2" />,
  table: <path d="M2.5 3h11v10h-11zM2.5 6.4h11M6.4 6.4V13" />,
  chart: <path d="M3 13V8.5M6.4 13V4M9.7 13V7M13 13V2.8" />,
  keyboard: <path d="M1.8 4h12.4v8H1.8zM4.5 6.7h.1M7 6.7h.1M9.4 6.7h.1M11.6 6.7h.1M5.2 9.5h5.6" />,
  user: (
    <>
      <circle cx="8" cy="5.4" r="2.6" />
      <path d="M3 13.4c.6-2.7 2.5-4 5-4s4.4 1.3 5 4" />
    </>
  ),
  tenant: <path d="M3 13.2V3.6h6v9.6M9 6.8h4v6.4M1.8 13.2h12.4M5 6.2h2M5 9h2M11 9.4v.1" />,
  calendar: <path d="M2.8 4h10.4v9.2H2.8zM2.8 6.8h10.4M5.4 2.4V5M10.6 2.4V5" />,
  test: (
    <path d="M6 2.5h4M6.8 2.5v4L3.2 12a1 1 0 0 0 .9 1.5h7.8a1 1 0 0 0 .9-1.5L9.2 6.5v-4M5 10h6" />
  ),
  download: <path d="M8 2.5v7.4M4.8 7 8 10.2 11.2 7M3 13.4h10" />,
  lock: <path d="M3.8 7.2h8.4v6.2H3.8zM5.4 7V5.2a2.6 2.6 0 0 1 5.2 0V7" />,
  dot: <circle cx="8" cy="8" r="3" fill="currentColor" stroke="none" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof SHAPES;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {SHAPES[name]}
    </svg>
  );
}
