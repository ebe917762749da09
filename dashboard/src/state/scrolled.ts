import { useEffect, useState } from 'react';

/** Whoever has scrolled down reads, and nothing should move. */
export function useScrolled(): boolean {
  const [scrolled, setScrolled] = useState(isScrolled);
  useEffect(() => {
    const look = () => setScrolled(isScrolled());
    window.addEventListener('scroll', look, { passive: true });
    return () => window.removeEventListener('scroll', look);
  }, []);
  return scrolled;
}

function isScrolled(): boolean {
  return window.scrollY > 80;
}
