export const report = { no: "function" };
