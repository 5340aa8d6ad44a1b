/** The part of nodemailer that mail.ts uses; @types/nodemailer would bring @types/node with it. */
export interface SmtpOptions {
  host: string;
  port: number;
  /** TLS from the first byte. */
  secure: boolean;
  /** STARTTLS or nothing. */
  requireTLS: boolean;
  /** No STARTTLS even if the server offers it. */
  ignoreTLS: boolean;
  auth?: { user: string; pass: string };
  tls: { ca?: string[]; servername?: string };
  /** Milliseconds. */
  dnsTimeout: number;
  connectionTimeout: number;
  greetingTimeout: number;
  socketTimeout: number;
  disableFileAccess: boolean;
  disableUrlAccess: boolean;
}

export interface MailOptions {
  from: string;
  to: string[];
  subject: string;
  text: string;
  date: Date;
  headers: Record<string, string>;
}

export interface Transport {
  sendMail(mail: MailOptions): Promise<{ rejected: (string | { address: string })[] }>;
  close(): void;
}

declare const nodemailer: { createTransport(options: SmtpOptions): Transport };
export default nodemailer;
