import react from '@vitejs/plugin-react';
import { defineConfig, loadEnv } from 'vite';

export default defineConfig(({ mode }) => {
  const server = loadEnv(mode, '.', 'POSTRIDER_').POSTRIDER_URL ?? 'http://127.0.0.1:8080';
  const toServer = { target: server, changeOrigin: true };
  return {
    base: '/dashboard/',
    plugins: [react()],
    build: {
      // What understands light-dark(), which the colours are written in.
      target: ['chrome123', 'firefox120', 'safari17.5'],
      // The content security policy allows no data: URL for anything but images.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      license: { fileName: 'licenses.md' },
      // For scripts/finish.mjs, which tells the size of what is loaded first.
      manifest: true,
    },
    server: {
      proxy: {
        '/v1': toServer,
        '/readyz': toServer,
        '/healthz': toServer,
        '/dev': toServer,
        '/docs': toServer,
        '/openapi.json': toServer,
        '/errors': toServer,
      },
    },
  };
});
