/** The platforms a binary is made for, and the base executables known for them. */

/** Deno's version; scripts/deno runs exactly this one, and a binary's base must be of it too. */
export const DENO_VERSION = Deno.version.deno;

export type Arch = "x86_64" | "aarch64";

/** An npm package, pinned; `integrity` is the registry's sha512 of the tarball. */
export interface PinnedPackage {
  name: string;
  version: string;
  integrity: string;
}

/** A shared library to be carried in a binary. */
export interface NativeLibrary {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

export interface Target {
  arch: Arch;
  triple: string;
  /** As npm package names have it. */
  cpu: "x64" | "arm64";
  /** e_machine of its ELF files. */
  machine: number;
  /** SHA-256 and length of the official denort 2.7.11. */
  base: { sha256: string; length: number };
  /** A package with an executable made by `deno compile`, whose first bytes are that denort. */
  carrier: PinnedPackage & { file: string };
  /** Debian's name for the architecture, and of the directory below /usr/lib with its libraries. */
  debian: string;
  triplet: string;
}

export const TARGETS: Record<Arch, Target> = {
  x86_64: {
    arch: "x86_64",
    triple: "x86_64-unknown-linux-gnu",
    cpu: "x64",
    machine: 62,
    base: {
      sha256: "f12d5d3886d5ea138304fb8d67d7396cfbedf53656676132152cb89f3fa4d8e6",
      length: 97_076_048,
    },
    carrier: {
      name: "@stdy/cli-linux-x64",
      version: "0.22.2",
      integrity:
        "sha512-kp5QdG26EC8gEzVXI0YgzmiiFHz7DFCNRLNfAWa2rDPHr/jUBnfkP8AlbTPmv0YNQpnKn1wzSWHFw88fn/OTog==",
      file: "bin/steady",
    },
    debian: "amd64",
    triplet: "x86_64-linux-gnu",
  },
  aarch64: {
    arch: "aarch64",
    triple: "aarch64-unknown-linux-gnu",
    cpu: "arm64",
    machine: 183,
    base: {
      sha256: "9c888d915647ff971a497acd39ee45ea63da5f19d12d4363124942c257c055ef",
      length: 90_596_104,
    },
    carrier: {
      name: "@stdy/cli-linux-arm64",
      version: "0.22.2",
      integrity:
        "sha512-HjSQdAt40CpYIauUKJ1xyIEsdrf5LtQP1x8Su7BEZJN94807ROJXxabW+jXyc48823tVBkrnxNUUTrBK4TVTRw==",
      file: "bin/steady",
    },
    debian: "arm64",
    triplet: "aarch64-linux-gnu",
  },
};
