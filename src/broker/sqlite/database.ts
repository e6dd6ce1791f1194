import { DatabaseSync, type StatementSync } from "node:sqlite";

/** What a column holds. */
export type Value = string | number | null | Uint8Array;

/** With what Deno has but does not declare. */
type ArrayStatement = StatementSync & { setReturnArrays(on: boolean): void };

/** A connection to the file, with each statement prepared once. */
export class Database implements Disposable {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#db = new DatabaseSync(path);
  }

  /** Runs statements without parameters and without an answer. */
  exec(sql: string): void {
    this.#db.exec(sql);
  }

  /** Runs a statement and answers with how many rows it changed. */
  run(sql: string, ...parameters: Value[]): number {
    return Number(this.#prepare(sql).run(...parameters).changes);
  }

  /** Runs an `INSERT` and answers with the id of the new row. */
  insert(sql: string, ...parameters: Value[]): number {
    return Number(this.#prepare(sql).run(...parameters).lastInsertRowid);
  }

  /** All rows of a query, each as a list of its columns. */
  rows(sql: string, ...parameters: Value[]): Value[][] {
    return this.#prepare(sql).all(...parameters) as unknown as Value[][];
  }

  /** The only row of a query. */
  row(sql: string, ...parameters: Value[]): Value[] | undefined {
    return this.rows(sql, ...parameters)[0];
  }

  /** The only column of the only row of a query. */
  value(sql: string, ...parameters: Value[]): Value | undefined {
    return this.rows(sql, ...parameters)[0]?.[0];
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    this.#db.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      (statement as ArrayStatement).setReturnArrays(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/**
 * Text as it is stored: as BLOB if it contains a NUL, because `node:sqlite`
 * reads a TEXT only up to there.
 */
export function stored(text: string): string | Uint8Array {
  return text.includes("\0") ? new TextEncoder().encode(text) : text;
}

/** Reads what {@linkcode stored} made. */
export function textOf(value: Value): string {
  return typeof value === "string"
    ? value
    : new TextDecoder().decode(value as Uint8Array);
}
