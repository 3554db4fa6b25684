---@meta zabbix

--- The Zabbix API and images of Zabbix graphs.
---@class zabbix
local zabbix = {}

--- A client.
---@class zabbix.Bot
local Bot = {}

--- Logs in. Waits.
---@return string? error
function Bot:login() end

--- Logs out. Waits.
---@return string? error
function Bot:logout() end

--- Calls a method and returns its result. `params` must be a JSON object; use `json.tableIsObject`
--- for an empty table. Waits.
---@param method string
---@param params table
---@return any
---@return string? error
function Bot:request(method, params) end

--- Writes the picture of an item's graph to a file. Waits.
---@param item_id integer
---@param path string
---@param settings? {period?: number, width?: number, height?: number}
---@return string? error
function Bot:save_graph(item_id, path, settings) end

--- Creates a client of a server.
---@param settings zabbix.Settings
---@param http_client? http.Client
---@return zabbix.Bot?
---@return string? error
function zabbix.bot(settings, http_client) end

--- The same.
---@param settings zabbix.Settings
---@param http_client? http.Client
---@return zabbix.Bot?
---@return string? error
function zabbix.new(settings, http_client) end

---@class zabbix.Settings
---@field url? string also `base_url`
---@field base_url? string
---@field user? string also `username`
---@field username? string
---@field password? string also `passwd`
---@field passwd? string
---@field api? string also `api_url`
---@field api_url? string
---@field login? string also `login_url`
---@field login_url? string
---@field chat? string also `chat_url`
---@field chat_url? string
---@field debug? boolean

return zabbix
