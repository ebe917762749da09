import { useEffect, useRef } from 'react';

const DELAY_MS = 350;

/**
 * The one tooltip of the page, for whatever has `data-tip`: on hover and on keyboard focus. A title
 * attribute would show neither on focus nor soon, and a component for each cell would cost too much.
 */
export function TipLayer() {
  const tip = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let timer: number | undefined;
    let shown: Element | undefined;
    const hide = () => {
      window.clearTimeout(timer);
      if (shown?.getAttribute('aria-describedby') === 'tip')
        shown.removeAttribute('aria-describedby');
      shown = undefined;
      if (tip.current?.matches(':popover-open')) tip.current.hidePopover();
    };
    const show = (target: Element) => {
      const text = target.getAttribute('data-tip');
      if (!tip.current || !text || !target.isConnected) return;
      tip.current.textContent = text;
      tip.current.showPopover();
      target.setAttribute('aria-describedby', tip.current.id);
      place(tip.current, target);
    };
    const over = (event: Event) => {
      const target = event.target instanceof Element ? event.target.closest('[data-tip]') : null;
      if (target === null) return hide();
      if (target === shown) return;
      hide();
      if (event.type === 'focusin' && !target.matches(':focus-visible')) return;
      shown = target;
      timer = window.setTimeout(show, DELAY_MS, target);
    };
    const onKey = (event: KeyboardEvent) => event.key === 'Escape' && hide();
    document.addEventListener('pointerover', over);
    document.addEventListener('focusin', over);
    document.addEventListener('focusout', hide);
    document.addEventListener('pointerdown', hide);
    document.addEventListener('keydown', onKey);
    document.addEventListener('scroll', hide, true);
    return () => {
      hide();
      document.removeEventListener('pointerover', over);
      document.removeEventListener('focusin', over);
      document.removeEventListener('focusout', hide);
      document.removeEventListener('pointerdown', hide);
      document.removeEventListener('keydown', onKey);
      document.removeEventListener('scroll', hide, true);
    };
  }, []);
  // It is read out as the description of what it belongs to, not as a part of the page.
  return <div ref={tip} id="tip" className="tip" popover="manual" aria-hidden="true" />;
}

function place(tip: HTMLElement, target: Element): void {
  const at = target.getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const above = at.top - height - 6;
  const left = Math.min(Math.max(8, at.left + at.width / 2 - width / 2), innerWidth - width - 8);
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 8 ? above : at.bottom + 6}px`;
}
