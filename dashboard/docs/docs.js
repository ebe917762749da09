// Sets up Swagger UI for this server's own document. It has no inline code, so that the content
// security policy of the dashboard holds here too.

setTheme();
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', setTheme);

window.SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  layout: 'BaseLayout',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  // Nothing is asked of, or told to, another host.
  validatorUrl: null,
  queryConfigEnabled: false,
  // A key that was typed in stays in this page and goes with it.
  persistAuthorization: false,
  onComplete: () => {
    // It has a placeholder and no name.
    document.querySelector('.operation-filter-input')?.setAttribute('aria-label', 'Filter by tag');
  },
  requestInterceptor: request => {
    // Whoever is logged in to the dashboard calls by its cookie, which needs this header beside it.
    request.headers['Postrider-Dashboard'] = '1';
    request.credentials = 'same-origin';
    return request;
  },
});

void tellWho();

/** The theme that was chosen in the dashboard, else that of the system. */
function setTheme() {
  let chosen = 'system';
  try {
    chosen = JSON.parse(localStorage.getItem('postrider.preferences') ?? '{}').theme ?? 'system';
  } catch {
    // Then it is as the system has it.
  }
  const dark =
    chosen === 'dark' ||
    (chosen !== 'light' && window.matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.classList.toggle('dark-mode', dark);
}

async function tellWho() {
  const who = document.getElementById('who');
  if (who === null) return;
  try {
    const answer = await fetch('/v1/session', { headers: { accept: 'application/json' } });
    const session = answer.ok ? await answer.json() : null;
    who.textContent =
      session === null
        ? 'Not logged in: calls need a key, by “Authorize”.'
        : `Calls are made as ${session.key_name} (${session.role}), unless “Authorize” has a key.`;
  } catch {
    who.textContent = '';
  }
}
