#include "http_header.h"

enum { MAX_HEADER = 16 * 1024 };

static struct slice without_spaces(struct slice text)
{
  while (text.length > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
    text.at++;
    text.length--;
  }
  while (text.length > 0 && (text.at[text.length - 1] == ' ' || text.at[text.length - 1] == '\t'))
    text.length--;
  return text;
}

static bool take_line(struct http_header *header)
{
  if (header->line_length > sizeof header->line)
    return true; /* none of those that count is so long */
  struct slice value = {header->line, header->line_length};
  struct slice name = slice_cut(&value, ':');
  value = without_spaces(value);
  if (slice_equals_any_case(name, "content-length")) {
    uint64_t before = header->content_length;
    if (!parse_long_number(value, UINT64_MAX, &header->content_length))
      return false;
    bool contradicts = header->has_content_length && header->content_length != before;
    header->has_content_length = true;
    return !contradicts;
  }
  if (slice_equals_any_case(name, "transfer-encoding"))
    header->is_chunked = !slice_equals_any_case(value, "identity");
  else if (slice_equals_any_case(name, "expect"))
    header->expects_continue = slice_equals_any_case(value, "100-continue");
  return true;
}

enum http_header_state http_header_take(struct http_header *header, char byte)
{
  if (++header->length > MAX_HEADER)
    return HTTP_HEADER_TOO_LONG;
  if (byte == '\r')
    return HTTP_HEADER_GOES_ON;
  if (!header->has_first_line) {
    if (byte != '\n' && header->first_length == sizeof header->first_line)
      return HTTP_FIRST_LINE_TOO_LONG;
    if (byte != '\n')
      header->first_line[header->first_length++] = byte;
    else
      header->has_first_line = header->first_length > 0; /* empty lines before it are let pass */
    return HTTP_HEADER_GOES_ON;
  }
  if (byte != '\n') {
    if (header->line_length < sizeof header->line)
      header->line[header->line_length] = byte;
    header->line_length++;
    return HTTP_HEADER_GOES_ON;
  }
  if (header->line_length == 0)
    return HTTP_HEADER_WHOLE;
  bool is_good = take_line(header);
  header->line_length = 0;
  return is_good ? HTTP_HEADER_GOES_ON : HTTP_HEADER_BAD;
}
