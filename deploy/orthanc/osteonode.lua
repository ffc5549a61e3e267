-- Sends every CT series to OsteoNode once it is stable ("StableAge" seconds without a new image).
--
-- OsteoNode's own results (modality SEG and SR) are not CT, so they are not sent back to it.
-- A series whose transfer fails (OsteoNode stopped, network down) is kept and sent again at the
-- next success: of another transfer or, in Orthanc 1.11 and newer, of the C-ECHO at each
-- heartbeat. Sending twice is harmless: OsteoNode keeps one copy of each object.

local MODALITY = 'osteonode'
local STRICT_TRIES = 3   -- then permissive: a single refused image must not hold back the others
local waiting = {}       -- series to send again
local failures = {}      -- series -> failed transfers so far

local function send(seriesId)
   local permissive = tostring((failures[seriesId] or 0) >= STRICT_TRIES)
   -- Written as text: Lua has no integers, and Orthanc requires them.
   local job = '{"Resources":["' .. seriesId .. '"],"Synchronous":false,"Permissive":' .. permissive .. '}'
   RestApiPost('/modalities/' .. MODALITY .. '/store', job, true)
   print('OsteoNode: CT series sent: ' .. seriesId)
end

local function sendWaiting()
   local again = waiting
   waiting = {}
   for seriesId, _ in pairs(again) do
      send(seriesId)
   end
end

local function routedSeries(jobId)
   local job = ParseJson(RestApiGet('/jobs/' .. jobId, true))
   if job['Type'] == 'DicomModalityStore' and job['Content']['RemoteAet'] == 'OSTEONODE' then
      return job['Content']['ParentResources'] or {}
   end
   return nil
end

function OnStableSeries(seriesId, tags, metadata)
   if tags['Modality'] == 'CT' then
      failures[seriesId] = nil
      send(seriesId)
   end
end

function OnJobFailure(jobId)
   for _, seriesId in ipairs(routedSeries(jobId) or {}) do
      failures[seriesId] = (failures[seriesId] or 0) + 1
      waiting[seriesId] = true
      print('OsteoNode: transfer failed, kept for another try: ' .. seriesId)
   end
end

function OnJobSuccess(jobId)
   if routedSeries(jobId) then
      sendWaiting()
   end
end

function OnHeartBeat()
   if next(waiting) and pcall(RestApiPost, '/modalities/' .. MODALITY .. '/echo', '{}', true) then
      sendWaiting()
   end
end
