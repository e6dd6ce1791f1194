/** The text with every password in a URL hidden, for messages and errors. */
export function hidePassword(text: string): string {
  return text.replace(/(\w+:\/\/[^\s:@/]*:)[^\s]*@/g, "$1***@")
    .replace(/([?&]password=)[^\s&"]*/g, "$1***");
}
