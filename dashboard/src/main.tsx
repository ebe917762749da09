import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/filters.css';
import './styles/menus.css';
import './styles/shell.css';
import './styles/shell-parts.css';
import './styles/palette.css';
import './styles/table.css';
import './styles/table-cards.css';
import './styles/parts.css';
import './styles/tiles.css';
import './styles/charts.css';
import './styles/code.css';
import './styles/overlays.css';
import './styles/shell-narrow.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { makeQueryClient } from './api/query-client';
import { SessionProvider } from './api/session';
import { App } from './app';
import { applyTheme } from './state/preferences';

applyTheme();

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={makeQueryClient()}>
      <SessionProvider>
        <App />
      </SessionProvider>
    </QueryClientProvider>
  </StrictMode>,
);
