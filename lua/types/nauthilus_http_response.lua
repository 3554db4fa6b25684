---@meta nauthilus_http_response

--- The response to the HTTP request: all of it in a hook, headers only in features, filters and actions.
---@class nauthilus_http_response
---@field STATUS_OK integer
---@field STATUS_CREATED integer
---@field STATUS_NO_CONTENT integer
---@field STATUS_MOVED_PERMANENTLY integer
---@field STATUS_FOUND integer
---@field STATUS_SEE_OTHER integer
---@field STATUS_NOT_MODIFIED integer
---@field STATUS_BAD_REQUEST integer
---@field STATUS_UNAUTHORIZED integer
---@field STATUS_FORBIDDEN integer
---@field STATUS_NOT_FOUND integer
---@field STATUS_METHOD_NOT_ALLOWED integer
---@field STATUS_CONFLICT integer
---@field STATUS_UNSUPPORTED_MEDIA_TYPE integer
---@field STATUS_TOO_MANY_REQUESTS integer
---@field STATUS_INTERNAL_SERVER_ERROR integer
---@field STATUS_NOT_IMPLEMENTED integer
---@field STATUS_BAD_GATEWAY integer
---@field STATUS_SERVICE_UNAVAILABLE integer
---@field STATUS_GATEWAY_TIMEOUT integer
local nauthilus_http_response = {}

--- Sets a header and removes other headers of that name.
---@param name string
---@param value string
function nauthilus_http_response.set_http_response_header(name, value) end

--- Adds a header.
---@param name string
---@param value string
function nauthilus_http_response.add_http_response_header(name, value) end

--- Removes all headers of that name.
---@param name string
function nauthilus_http_response.remove_http_response_header(name) end

--- Sets the status code.
---@param code integer
function nauthilus_http_response.set_http_status(code) end

--- Sets the Content-Type.
---@param value string
function nauthilus_http_response.set_http_content_type(value) end

--- Appends to the body.
---@param data string
function nauthilus_http_response.write_http_response_body(data) end

--- Sends plain text.
---@param code integer
---@param text string
function nauthilus_http_response.string(code, text) end

--- Sends bytes with a content type.
---@param code integer
---@param content_type string
---@param data string
function nauthilus_http_response.data(code, content_type, data) end

--- Sends an HTML page.
---@param code integer
---@param text string
function nauthilus_http_response.html(code, text) end

--- Redirects; the code is 201 or 300 to 308.
---@param code integer
---@param location string
function nauthilus_http_response.redirect(code, location) end

nauthilus_http_response.STATUS_OK = 0
nauthilus_http_response.STATUS_CREATED = 0
nauthilus_http_response.STATUS_NO_CONTENT = 0
nauthilus_http_response.STATUS_MOVED_PERMANENTLY = 0
nauthilus_http_response.STATUS_FOUND = 0
nauthilus_http_response.STATUS_SEE_OTHER = 0
nauthilus_http_response.STATUS_NOT_MODIFIED = 0
nauthilus_http_response.STATUS_BAD_REQUEST = 0
nauthilus_http_response.STATUS_UNAUTHORIZED = 0
nauthilus_http_response.STATUS_FORBIDDEN = 0
nauthilus_http_response.STATUS_NOT_FOUND = 0
nauthilus_http_response.STATUS_METHOD_NOT_ALLOWED = 0
nauthilus_http_response.STATUS_CONFLICT = 0
nauthilus_http_response.STATUS_UNSUPPORTED_MEDIA_TYPE = 0
nauthilus_http_response.STATUS_TOO_MANY_REQUESTS = 0
nauthilus_http_response.STATUS_INTERNAL_SERVER_ERROR = 0
nauthilus_http_response.STATUS_NOT_IMPLEMENTED = 0
nauthilus_http_response.STATUS_BAD_GATEWAY = 0
nauthilus_http_response.STATUS_SERVICE_UNAVAILABLE = 0
nauthilus_http_response.STATUS_GATEWAY_TIMEOUT = 0

return nauthilus_http_response
