---@meta glua_http

--- HTTP requests. A response with any status is a success.
---@class glua_http
local glua_http = {}

--- Sends a GET request. Waits.
---@param url string
---@param options? glua_http.Options
---@return glua_http.Response?
---@return string? error
function glua_http.get(url, options) end

--- Sends a DELETE request. Waits.
---@param url string
---@param options? glua_http.Options
---@return glua_http.Response?
---@return string? error
function glua_http.delete(url, options) end

--- Sends a HEAD request. Waits.
---@param url string
---@param options? glua_http.Options
---@return glua_http.Response?
---@return string? error
function glua_http.head(url, options) end

--- Sends a PATCH request. Waits.
---@param url string
---@param options? glua_http.Options
---@return glua_http.Response?
---@return string? error
function glua_http.patch(url, options) end

--- Sends a POST request. Waits.
---@param url string
---@param options? glua_http.Options
---@return glua_http.Response?
---@return string? error
function glua_http.post(url, options) end

--- Sends a PUT request. Waits.
---@param url string
---@param options? glua_http.Options
---@return glua_http.Response?
---@return string? error
function glua_http.put(url, options) end

--- Sends a request with any method. Waits.
---@param method string
---@param url string
---@param options? glua_http.Options
---@return glua_http.Response?
---@return string? error
function glua_http.request(method, url, options) end

--- Sends several requests at once, each `{method, url, options}`. Returns responses and errors by
--- position. Waits.
---@param requests table[]
---@return table?
---@return table?
function glua_http.request_batch(requests) end

---@class glua_http.Options
---@field headers? table<string, any>
---@field body? string
---@field form? string urlencoded, with its Content-Type
---@field query? string in place of the URL's
---@field timeout? number|string seconds, or a duration such as "10s"
---@field cookies? table<string, string>
---@field auth? {user: string, pass: string}

---@class glua_http.Response
---@field status_code integer
---@field url string
---@field headers table<string, string>
---@field cookies table<string, string>
---@field body string
---@field body_size integer

return glua_http
