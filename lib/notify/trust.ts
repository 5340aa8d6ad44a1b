/** Certificate authorities of this machine, besides those the runtime brings along. */

/** Where distributions keep them in one file. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch
  "/etc/pki/tls/certs/ca-bundle.crt", // Red Hat, Fedora
  "/etc/ssl/ca-bundle.pem", // SUSE
];

/** The bundle as PEM, or none; `SSL_CERT_FILE` names another one, as it does for OpenSSL. */
export function systemAuthorities(env: Record<string, string>): string[] {
  for (const path of [env.SSL_CERT_FILE, ...BUNDLES]) {
    if (!path) continue;
    try {
      return [Deno.readTextFileSync(path)];
    } catch {
      // Another distribution's place.
    }
  }
  return [];
}
