/** The decision on one stack's backups; decide.ts has the order of things. */
import { DAY, type ObservedTime } from "./ages.ts";
import { needs } from "./chains.ts";
import { judgeFailed } from "./failed.ts";
import {
  isDataOnly,
  isOrdinary,
  isProven,
  isUsable,
  lastResorts,
  newestFirst,
  timeOf,
} from "./good.ts";
import { applyRules } from "./keep_rules.ts";
import type {
  Candidate,
  Circumstances,
  KeepRule,
  Reason,
  RetentionPolicy,
  Verdict,
} from "./policy.ts";

/** At most this share of a stack's archives goes by age at once, but always one. */
const BRAKE = 1 / 4;

export class StackDecision {
  readonly #kept = new Map<number, Reason[]>();
  readonly #gone = new Map<number, Verdict>();
  readonly #now: number;
  /** Dated before now: what a wrong clock dated later takes part in no rule. */
  readonly #present: Candidate[];
  readonly #usable: Candidate[];

  constructor(
    readonly records: Candidate[],
    readonly policy: RetentionPolicy,
    readonly circumstances: Circumstances,
    readonly time: ObservedTime,
  ) {
    this.#now = circumstances.now.getTime();
    this.#present = records.filter((record) => timeOf(record) <= this.#now).sort(newestFirst);
    this.#usable = this.#present.filter((record) => isUsable(record, this.records));
    this.#protect();
    this.#keepLastResorts();
    for (const same of [this.#usable.filter(isDataOnly), this.#usable.filter(isWholeStack)]) {
      const live = same.filter((record) => !this.#isExpired(record));
      applyRules(live, policy, (record, rule, text) => this.#keep(record, rule, text));
    }
    this.#keepYoung();
    this.#judgeFailedRuns();
    this.#keepNeeded();
    if (!circumstances.force) this.#brake();
  }

  verdicts(): Verdict[] {
    return this.records.map((backup) => {
      const reasons = this.#kept.get(backup.id);
      if (reasons) return { backup, action: "keep", reasons };
      return this.#gone.get(backup.id) ??
        { backup, action: "remove", reasons: [this.#whyGone(backup)] };
    });
  }

  #keep({ id }: Candidate, rule: KeepRule, text: string) {
    this.#kept.set(id, [...this.#kept.get(id) ?? [], { rule, text }]);
  }

  /** What no rule and no limit may touch. */
  #protect() {
    const suspicious = this.records.find((record) =>
      record.suspicion !== null && record.suspicion_cleared_at === null
    );
    for (const record of this.records) {
      if (record.status === "running") this.#keep(record, "running", "is being made");
      if (suspicious) {
        this.#keep(record, "suspicion", `backup ${suspicious.id} is suspicious: nothing goes`);
      }
      if (record.pinned) this.#keep(record, "pinned", "pinned");
      if (timeOf(record) > this.#now) {
        this.#keep(record, "future", "dated in the future: a clock is wrong");
      }
      if (record.status === "failed") continue;
      if (record.own_place) this.#keep(record, "own_place", "written to a place of its own");
      else if (!record.file_exists && record.backup_path !== "-" && record.status !== "running") {
        this.#keep(record, "missing", "its archive is not there, or not all of it");
      }
    }
  }

  #keepLastResorts() {
    const whole = lastResorts(this.#present.filter(isWholeStack), this.records);
    for (const record of whole) this.#keep(record, "newest", "the newest good one");
    const proven = whole.filter((record) => isProven(record, this.records));
    for (const record of lastResorts(this.#present.filter(isDataOnly), this.records)) {
      const older = proven.some((other) => timeOf(other) > timeOf(record));
      if (!older) this.#keep(record, "newest", "the newest good one of data alone");
    }
  }

  #keepYoung() {
    for (const record of this.#present) {
      if (record.status === "failed" || record.status === "running") continue;
      if (record.trigger === "safety") {
        const { safety_days } = this.policy;
        if (this.#observedAge(record) > safety_days * DAY) continue;
        this.#keep(record, "safety", `safety backup, for ${safety_days} days`);
      } else if (record.expires_at !== null) {
        if (this.#isExpired(record)) continue;
        this.#keep(record, "expires", `until ${record.expires_at.slice(0, 10)}`);
      } else if (this.#reference(record) - timeOf(record) <= this.#days(record) * DAY) {
        this.#keep(record, "days", `${kindOf(record)}, for ${this.#days(record)} days`);
      }
    }
  }

  /**
   * Days are counted back from the newest usable backup, not from now (as restic does it): many nights
   * that failed thin out nothing. Data alone may be newer than the last whole backup, not the reverse.
   */
  #reference(record: Candidate): number {
    if (record.backup_path === "-") return this.#now;
    const newest = this.#usable.find((one) => isDataOnly(record) || isWholeStack(one));
    return newest ? timeOf(newest) : -Infinity;
  }

  #days(record: Candidate): number {
    return record.trigger === "auto" ? this.policy.auto_days : this.policy.manual_days;
  }

  #isExpired({ expires_at }: Candidate): boolean {
    return expires_at !== null && Date.parse(expires_at) <= this.#now;
  }

  #observedAge(record: Candidate): number {
    return this.time.between(timeOf(record), this.#now);
  }

  #judgeFailedRuns() {
    for (const record of this.#present) {
      if (record.status !== "failed" || this.#kept.has(record.id)) continue;
      const superseded = this.#usable.some((one) =>
        timeOf(one) > timeOf(record) && (isDataOnly(record) || isWholeStack(one))
      );
      const age = this.#observedAge(record) / DAY;
      const { action, reason } = judgeFailed(record, this.policy.failed_days, age, superseded);
      if (action === "keep") this.#keep(record, "failed", reason.text);
      else this.#gone.set(record.id, { backup: record, action, reasons: [reason] });
    }
  }

  /** Whatever a kept one needs stays, however old. */
  #keepNeeded() {
    for (const record of this.records) {
      if (!this.#kept.has(record.id)) continue;
      for (const parent of needs(record, this.records)) {
        if (this.#kept.get(parent.id)?.some(({ rule }) => rule === "needed")) continue;
        this.#keep(parent, "needed", `backup ${record.id} needs it`);
      }
    }
  }

  /**
   * Many at once past their time: either the policy was changed, or the clock jumped, or the machine was
   * off. Then only those go that are past their time by the days that were seen to pass.
   */
  #brake() {
    const archives = this.#present.filter(isOrdinary);
    const past = archives.filter(({ id }) => !this.#kept.has(id));
    if (past.length <= Math.max(1, Math.floor(archives.length * BRAKE))) return;
    const held = past.filter((record) => !this.#reallyPast(record));
    for (const record of held) {
      const text = `past its time, but ${past.length} of ${archives.length} at once may be a ` +
        "wrong clock (--force)";
      this.#keep(record, "held", text);
    }
    if (held.length > 0) this.#keepNeeded();
  }

  #reallyPast(record: Candidate): boolean {
    if (record.expires_at !== null) {
      return this.#observedAge(record) >= Date.parse(record.expires_at) - timeOf(record);
    }
    const age = this.time.between(timeOf(record), this.#reference(record));
    return age > this.#days(record) * DAY;
  }

  #whyGone(record: Candidate): Reason {
    if (record.expires_at !== null && record.trigger !== "safety") {
      return { rule: "expired", text: `was to be kept until ${record.expires_at.slice(0, 10)}` };
    }
    const days = record.trigger === "safety" ? this.policy.safety_days : this.#days(record);
    return { rule: "past", text: `${kindOf(record)}, older than ${days} days` };
  }
}

function isWholeStack(record: Candidate): boolean {
  return !isDataOnly(record);
}

const KINDS = {
  auto: "automatic",
  manual: "manual",
  "pre-upgrade": "pre-upgrade",
  safety: "safety backup",
};

function kindOf({ trigger }: Candidate): string {
  return KINDS[trigger];
}
