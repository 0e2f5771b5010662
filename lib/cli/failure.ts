/** Ends `capsule` with a status, after its message. Not the caller's: nothing outside of lib/cli gets to see one. */
export class Failure extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
