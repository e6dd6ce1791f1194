import { marking } from "./marks.ts";

export default marking("inner");
