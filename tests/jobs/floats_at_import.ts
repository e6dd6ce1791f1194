Promise.reject(new Error("floating at import"));

export function quick(): string {
  return "done";
}
